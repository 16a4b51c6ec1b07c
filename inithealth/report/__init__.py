"""Output formats of a finished report, and comparisons with saved reports. Nothing is measured or judged here."""

"""What is made of a finished report: output formats, comparisons with saved reports. Nothing is measured or judged."""

"""What a run prints: lines and reports in the terminal, above a progress bar, or records for the user's log."""

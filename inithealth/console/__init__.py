"""The output of a run: lines and reports in the terminal, above progress bars, or records in the user's log."""

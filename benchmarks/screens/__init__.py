"""Pictures of the terminal output of training runs."""

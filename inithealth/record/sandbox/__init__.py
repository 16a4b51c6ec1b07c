"""Running the model additionally, as `check` does, and restoring everything afterwards."""

"""Pictures of what a training prints in a terminal."""

"""The recording in TensorBoard."""

"""Plans a whole initialization: from the recording of a network to operations by role, without tensors."""

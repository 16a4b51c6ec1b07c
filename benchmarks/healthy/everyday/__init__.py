"""Small networks of the kinds that people write every day, at the initializations that they use."""

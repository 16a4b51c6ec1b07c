"""Small networks of common kinds, with the initializations that people use for them."""

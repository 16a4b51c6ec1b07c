"""Small networks, healthy and faulty, each written in several ways."""

"""The layers of a model: names, parameters, weights with their statistics, source lines."""

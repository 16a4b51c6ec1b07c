"""The layers of a model: names, parameters, weight statistics, source lines."""

"""Models larger than memory: their weights are made or read while they are used."""

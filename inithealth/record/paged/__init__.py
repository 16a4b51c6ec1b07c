"""Models larger than memory: their parameters are made when an operation reads them, and dropped afterwards."""

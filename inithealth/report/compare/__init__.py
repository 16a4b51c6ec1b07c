"""Two reports: what is new, worse or fixed; baselines, and reading and writing report files."""

"""How many small changes of the code the tests notice: a random sample of mutants, each against its own test file."""

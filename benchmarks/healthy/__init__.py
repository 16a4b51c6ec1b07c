"""Networks that are as their authors meant them: what is said of them at warning or above is a false alarm."""

"""A finished build made a bundle: its manifest and its files, and what is said of it."""

"""Texts to learn from and to be judged by: the user's files and the built-in sets."""

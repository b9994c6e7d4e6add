"""Readers: every kind of file becomes columns of text with the file's own row numbers. None of them guesses a type."""

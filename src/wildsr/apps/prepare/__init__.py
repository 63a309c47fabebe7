"""Bringing data sets and cutting them into sub-images: what `wildsr prepare` does."""

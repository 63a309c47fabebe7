"""Bringing datasets and cutting them into sub-images: what `wildsr prepare` does."""

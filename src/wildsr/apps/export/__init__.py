"""A trained generator as a bundle of files for others."""

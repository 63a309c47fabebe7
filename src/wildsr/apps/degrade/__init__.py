"""A synthetic set of pairs."""

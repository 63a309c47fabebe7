"""Images of a degradation."""

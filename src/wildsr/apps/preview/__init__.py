"""Pictures of a degradation."""

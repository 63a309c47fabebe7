"""Generators as graphs that other programs run."""

"""wildsr: train, evaluate and run super-resolution for real, degraded photographs."""

__version__ = "0.1.0"

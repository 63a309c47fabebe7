"""Running a trained network on whole pictures."""

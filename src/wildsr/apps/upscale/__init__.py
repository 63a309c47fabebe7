"""Running a trained network on whole images."""

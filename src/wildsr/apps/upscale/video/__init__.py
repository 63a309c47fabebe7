"""Videos: read, enlarged frame by frame, written in segments."""

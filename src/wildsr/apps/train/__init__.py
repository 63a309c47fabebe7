"""`wildsr train`: the program, from anywhere."""

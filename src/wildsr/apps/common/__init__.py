"""Arguments, progress and messages of all verbs."""

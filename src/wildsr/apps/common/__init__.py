"""Arguments, progress and messages of all verbs; drawn recipes in words and in numbers."""

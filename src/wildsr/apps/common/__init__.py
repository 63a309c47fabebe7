"""What the verbs share: arguments and progress."""

"""The verbs of the `wildsr` command, one file each: `main(words) -> exit code`."""

"""What could spoil a long run, looked for before it starts. Each check returns findings; a page shows them."""

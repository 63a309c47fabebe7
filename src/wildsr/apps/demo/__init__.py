"""The page of `wildsr demo`: what is behind it, and how it looks."""

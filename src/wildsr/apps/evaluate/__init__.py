"""Networks side by side on validation sets: scores, strata, a page."""

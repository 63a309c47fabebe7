"""Pages of HTML: of one run, written while it trains, and of several runs side by side."""

"""`wildsr train`: what `python train.py` is in a clone, from any folder."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from wildsr import train


def main(words: Sequence[str]) -> int:
    """Run the program with the command line `words`, which Hydra explains: `wildsr train --help`."""
    # Hydra reads its command line there. Lightning starts further processes with it, and finds this file as the script.
    sys.argv = [__file__, *words]
    return train.main()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

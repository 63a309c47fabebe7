"""Train an upscaler: python train.py experiment=quickstart (python train.py --help explains the rest)."""

import sys

from wildsr.train import main

if __name__ == "__main__":
    sys.exit(main())

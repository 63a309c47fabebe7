"""The process of a burst, which `bursts.py` starts: python -m wildsr.apps.doctor FILE."""

import sys

from wildsr.apps.doctor.measuring import main

main(sys.argv[1])

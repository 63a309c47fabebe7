"""The process of a burst, which `bursts.py` starts: python -m wildsr.doctor FILE. A person calls `wildsr doctor`."""

import sys

from wildsr.doctor.measuring import main

main(sys.argv[1])

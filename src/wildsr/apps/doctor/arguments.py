"""Arguments of `wildsr doctor`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from wildsr.apps.common.arguments import Parser
from wildsr.config import compose_config

DESCRIPTION = """Look before a long run: the same words as for train.py, and one page says what they would meet.

  wildsr doctor experiment=quickstart
  wildsr doctor experiment=real_esrgan_plus data=folder data.train.root=DIR data.val.root=DIR
  wildsr doctor experiment=real_esrgan_plus --quick     without the burst: seconds instead of minutes
  wildsr doctor experiment=real_esrgan_plus --all       every image is read to its last pixel

It builds every stage; reads the header of every image and the pixels of a sample, and looks for copies and for
images of validation among those of training; compares the disk with what the run will write; runs each stage for
some ten seconds (the burst) for its memory, its speed and so the time to the end; looks for weights and loggers;
and says whether the run's folder would be gone on with. The run's folder stays as it is, and nothing is downloaded.

Each line begins with OK, WARNING or ERROR. Exit code 1 where there is an error: the run would fail, now or later.
The last line is a command that would run here."""


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Parse the call, its overrides composed as `cfg`; a wrong one ends with exit code 2.

    Raises:
        ConfigError: an override is wrong.
    """
    parser = Parser("doctor", DESCRIPTION)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="Overrides, as train.py takes them.")
    parser.add_argument("--quick", action="store_true", help="Leave the burst out, and with it memory and speed.")
    parser.add_argument("--all", action="store_true", help="Decode every image, not only a sample of them.")
    given = parser.parse_intermixed_args(words)
    if not given.overrides:
        parser.error("nothing given; wanted what train.py gets, for example experiment=quickstart")
    given.cfg = compose_config(given.overrides)
    return given

"""From a stage's configuration to its parts: data, networks and losses, trainer."""

from wildsr.building.data import build_data, build_sets, open_photographs
from wildsr.building.module import build_losses, build_module
from wildsr.building.stages import channels_of, first_weights, handed_on, has_own_start, stage_of
from wildsr.building.trainer import build_callbacks, build_trainer, check_monitor, filtered_warnings, is_rank_zero

__all__ = [
    "build_callbacks",
    "build_data",
    "build_losses",
    "build_module",
    "build_sets",
    "build_trainer",
    "channels_of",
    "check_monitor",
    "filtered_warnings",
    "first_weights",
    "handed_on",
    "has_own_start",
    "is_rank_zero",
    "open_photographs",
    "stage_of",
]

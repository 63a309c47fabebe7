"""The loop: data module, module, callbacks, checkpoints, judgement."""

from wildsr.losses import released_losses
from wildsr.training.alarms import Alarms
from wildsr.training.callbacks import Panels, ProgressLine
from wildsr.training.checkpoints import Checkpoints, WholeFiles
from wildsr.training.curves import Curves
from wildsr.training.datamodule import DegradedPhotographs
from wildsr.training.hardest import Hardest
from wildsr.training.loggers import wandb_logger
from wildsr.training.module import SuperResolution
from wildsr.training.stops import Stops

__all__ = [
    "Alarms",
    "Checkpoints",
    "Curves",
    "DegradedPhotographs",
    "Hardest",
    "Panels",
    "ProgressLine",
    "Stops",
    "SuperResolution",
    "WholeFiles",
    "released_losses",
    "wandb_logger",
]

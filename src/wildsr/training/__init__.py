"""Training in Lightning: the module, the data module, and the callbacks that a run adds to Lightning's own."""

from wildsr.losses import released_losses
from wildsr.training.checkpoints import AtomicCheckpointIO
from wildsr.training.datamodule import DegradedPhotographs
from wildsr.training.divergence import DivergenceMonitor
from wildsr.training.hard_examples import HardExamples
from wildsr.training.loggers import wandb_logger
from wildsr.training.module import SuperResolution
from wildsr.training.panels import Panels
from wildsr.training.progress import progress_bar
from wildsr.training.scalar_logger import ScalarLogger
from wildsr.training.schedules import warm_up
from wildsr.training.stops import GracefulStop

__all__ = [
    "AtomicCheckpointIO",
    "DegradedPhotographs",
    "DivergenceMonitor",
    "GracefulStop",
    "HardExamples",
    "Panels",
    "ScalarLogger",
    "SuperResolution",
    "progress_bar",
    "released_losses",
    "wandb_logger",
    "warm_up",
]

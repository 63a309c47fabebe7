"""What a stage will do, once and small, before anything is written into a run's folder.

Shapes: B batch, C = 3, P HQ patch, p = P // scale LQ patch.
"""

from __future__ import annotations

import gc
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import lightning as L
import torch
from torch import Tensor, nn

from wildsr.building import build_module, build_trainer, filtered_warnings
from wildsr.data import Batch
from wildsr.io import GENERATOR, ConfigError, first_line
from wildsr.labels import stage_title
from wildsr.networks import load_generator, load_weights, save_generator
from wildsr.stage import Stage
from wildsr.training import DegradedPhotographs, SuperResolution
from wildsr.training.pairs import TrainingPair
from wildsr.training.validation import upscale_batch

IMAGES = 2  # of the batch: one more than BatchNorm and micro-batches want at least
# LQ pixels. A patch is cut to less than twice as many, by a multiple of as many: what a network wants its sides to be
# multiples of, such as windows or the halvings of a U-Net, then holds or fails as it does for the whole patch.
PERIOD = 16
SAME = 1e-3  # a quarter of an 8-bit level, by which a network may differ from its own file
# What torch and networks of any make raise where sizes and choices do not fit. Other errors are bugs, with a traceback.
MISFITS = (RuntimeError, ValueError, TypeError, AssertionError, IndexError, ArithmeticError)


@filtered_warnings()
def dry_run(stage: Stage) -> None:
    """Take one small iteration of a stage, save and load its generator; then let all of it go.

    Neither weights nor random numbers of the run are touched: the networks are built anew. Nothing is compiled, since
    compiled code is kept by the shapes that it met.

    Raises:
        UserError: the iteration fails: one line with the stage, what was given and the reason.
    """
    if stage.is_finished:
        return
    cfg = stage.cfg.copy()
    cfg.compile = False
    with torch.random.fork_rng():
        trainer = build_trainer(cfg, callbacks=[])
        module = build_module(cfg, stage.weights)
        pair = small_pair(stage.data, min(IMAGES, stage.data.batch_size), module)
        try:
            fault = "an iteration fails"
            given = f"LQ {shape(pair.lq)}, HQ {shape(pair.target_pixel)}, trainer.precision={trainer.precision}"
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what torch says of shapes that do not fit; the run says it again
                take_iteration(trainer, module, pair)
            fault, given = "its generator cannot be saved, loaded and used", f"LQ {shape(pair.lq[:1])}"
            check_generator(module, pair.lq[:1])
        except MISFITS as error:
            raise ConfigError(f"{stage_title(stage.name)}: {fault}, given {given}: {first_line(error)}") from error
        finally:
            del module, trainer
            release_memory()


def small_pair(data: DegradedPhotographs, images: int, module: SuperResolution) -> TrainingPair:
    """Cut the first training pairs to small patches, unless the discriminator takes those of one size only."""
    pair: TrainingPair = data.make_pairs(Batch.collate([data.samples[number] for number in range(images)]))
    if hasattr(module.discriminator, "size"):
        return pair
    scale = pair.target_pixel.shape[-1] // pair.lq.shape[-1]
    side = pair.lq.shape[-1]
    if side >= 2 * PERIOD:
        side = PERIOD + side % PERIOD
    lq, *targets = pair
    return TrainingPair(lq[..., :side, :side], *(target[..., : side * scale, : side * scale] for target in targets))


def take_iteration(trainer: L.Trainer, module: SuperResolution, pair: TrainingPair) -> None:
    """Take one iteration as the trainer would, in its precision and on its device, without its loops and hooks."""
    strategy = trainer.strategy
    strategy.connect(module)
    module.trainer = trainer
    module.to(strategy.root_device)
    strategy.setup_optimizers(trainer)
    pair = TrainingPair(*(tensor.to(strategy.root_device) for tensor in pair))
    with strategy.precision_plugin.train_step_context():
        module.training_step(pair, 0)


@torch.no_grad()
def check_generator(module: SuperResolution, lq: Tensor) -> None:
    """Save the averaged generator, load it as the next stage does, enlarge one image.

    One that other programs are to read (`is_read_by_spandrel`) is also found by its weights alone, and compared.

    Raises:
        ValueError: the result is not `scale` times the input; or the file is another network's.
    """
    average: nn.Module = module.ema.module.cpu().eval()
    with TemporaryDirectory(prefix="wildsr-dry-run-") as folder:
        file = Path(folder) / GENERATOR
        save_generator(average, file, {})
        load_weights(average, file)
        again = load_generator(file) if getattr(average, "is_read_by_spandrel", False) else None
    scale = int(average.scale)  # type: ignore[arg-type]
    sr = upscale_batch(average, lq.cpu())
    wanted = tuple(side * scale for side in lq.shape[-2:])
    if tuple(sr.shape[-2:]) != wanted:
        raise ConfigError(f"wanted {' x '.join(map(str, wanted))} pixels of scale={scale}, it gave {shape(sr)}")
    if again is not None and not (difference := (upscale_batch(again, lq.cpu()) - sr).abs().max()) < SAME:
        raise ConfigError(
            f"its file comes back as another network, {difference * 255:.3g} levels off; wanted only options that "
            "weights tell"
        )


def shape(images: Tensor) -> str:
    """Return a batch's shape in words: 2 x 3 x 64 x 64."""
    return " x ".join(map(str, images.shape))


def release_memory() -> None:
    """Give back what the device was used for, so that the run's own peak is its own."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()

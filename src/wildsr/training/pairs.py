"""From a batch of photographs to what an iteration or a validation step sees: sharpen, degrade, cut.

Shapes: B batch, C channels, H W image, P HQ patch, p = P // scale LQ patch. Images are float32 in [0, 1].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from wildsr.data import Batch, Item, Sample
from wildsr.degradation import Degradation, Recipe, SharpenSpec, degrade, make_plan, sharpen
from wildsr.images import to_float, to_uint8

NO_SHARPENING = SharpenSpec(source=False, target_pixel=False, target_perceptual=False)


class TrainingPair(NamedTuple):
    """Hold what one iteration sees: lq (B, C, p, p) and a target for each kind of loss, (B, C, P, P) each."""

    lq: Tensor
    target_pixel: Tensor
    target_perceptual: Tensor
    target_adversarial: Tensor


class ValidationPair(NamedTuple):
    """Hold one image: lq (1, C, H // scale, W // scale), hq (1, C, H, W), or None for a real photograph.

    A repeated image is shown to a process that has none of its own in a set; no metric may count it.
    """

    lq: Tensor
    hq: Tensor | None
    is_repeated: bool = False


class PairMaker(nn.Module):
    """Make pairs of a batch, on the device where it is, without gradients.

    Args:
        degradation: (images, their recipes) to LQ images.
        sharpening: where the sharpened HQ takes the HQ's place: as the source of the LQ, as a target; None: nowhere.
        patch: P.
    """

    def __init__(self, degradation: nn.Module, sharpening: SharpenSpec | None, patch: int) -> None:
        super().__init__()
        self.degradation, self.sharpening, self.patch = degradation, sharpening or NO_SHARPENING, patch

    @torch.no_grad()
    def forward(self, batch: Batch[Any] | TrainingPair) -> TrainingPair | ValidationPair:
        """Return the pair of a training or a validation batch; one that a worker has made is returned as it is."""
        if isinstance(batch, TrainingPair):
            return batch
        return self._training_pair(batch) if isinstance(batch.params[0], Sample) else validation_pair(batch)

    def collate_pairs(self, items: Sequence[Item[Sample]]) -> TrainingPair:
        """Make the pairs of samples where they are read, as a worker does."""
        pair: TrainingPair = self(Batch.collate(items))
        return pair

    def collate_for_gpu(self, items: Sequence[Item[Sample]]) -> Batch[Sample]:
        """Collate samples for a GPU to degrade, with the plan of it: a worker makes all of its small tables.

        What no GPU can do, a codec's work, is done here: the LQ of such a sample is made where it was read.
        """
        batch = Batch.collate([self._degrade_on_cpu(item) for item in items])
        recipes = [batch.params[place].recipe for place in batch.to_degrade]
        if batch.hq is not None and recipes and isinstance(self.degradation, Degradation):
            batch.plan = make_plan([recipe for recipe in recipes if recipe], (len(recipes), *batch.hq.shape[1:]))
        return batch

    def _degrade_on_cpu(self, item: Item[Sample]) -> Item[Sample]:
        """Make the LQ of a sample with an operation that says `on_cpu`; return any other as it is."""
        recipe = item.params.recipe
        if item.lq is not None or item.hq is None or recipe is None:
            return item
        if not any(getattr(step.operation, "on_cpu", False) for step in recipe.steps):
            return item
        hq = to_float(item.hq)
        source = sharpened(hq, self.sharpening) if self.sharpening.source else hq
        return item._replace(lq=to_uint8(self.degradation(source[None], [recipe])[0]))

    def _training_pair(self, batch: Batch[Sample]) -> TrainingPair:
        """Cut LQ and targets by each sample's window. An LQ that was found is never sharpened; its targets are."""
        assert batch.hq is not None
        hq, spec = to_float(batch.hq), self.sharpening
        is_needed = spec.source or spec.target_pixel or spec.target_perceptual
        sharp = sharpened(hq, spec) if is_needed else hq
        lq = self._low_quality(sharp if spec.source else hq, batch)
        scale = hq.shape[-1] // lq.shape[-1]
        target, sharp_target = (cut_windows(image, batch.params, self.patch, scale) for image in (hq, sharp))
        return TrainingPair(
            lq=cut_windows(lq, batch.params, self.patch // scale),
            target_pixel=sharp_target if spec.target_pixel else target,
            target_perceptual=sharp_target if spec.target_perceptual else target,
            target_adversarial=target,
        )

    def _low_quality(self, source: Tensor, batch: Batch[Sample]) -> Tensor:
        """Degrade the images that have no LQ yet; take that of the others. In the batch's order."""
        places = batch.to_degrade
        how = batch.plan or [batch.params[place].recipe for place in places]
        if len(places) == len(batch.params):
            made: Tensor = self.degradation(source, how)
            return made
        assert batch.lq is not None
        found = iter(to_float(batch.lq))
        if not places:
            return torch.stack(list(found))
        degraded = iter(self.degradation(torch.stack([source[place] for place in places]), how))
        return torch.stack([next(degraded if place in places else found) for place in range(len(batch.params))])


@torch.no_grad()
def validation_pair(batch: Batch[Recipe | None]) -> ValidationPair:
    """Return LQ and HQ of a batch of one image; the HQ is the photograph itself, never its sharpened version.

    A validation set has a spec of its own, so it takes no degradation from anywhere: its recipes say all.
    """
    hq = None if batch.hq is None else to_float(batch.hq)
    if batch.lq is not None:
        return ValidationPair(to_float(batch.lq), hq)
    recipe = batch.params[0]
    assert hq is not None and recipe is not None
    return ValidationPair(degrade(hq[0], recipe)[None], hq)


def cut_windows(images: Tensor, samples: Sequence[Sample], side: int, scale: int = 1) -> Tensor:
    """Cut each sample's window out of (B, C, H, W); its place is in LQ pixels, the side in pixels of the images."""
    corners = [(sample.window_top * scale, sample.window_left * scale) for sample in samples]
    return torch.stack([image[:, y : y + side, x : x + side] for image, (y, x) in zip(images, corners, strict=True)])


def sharpened(image: Tensor, sharpening: SharpenSpec) -> Tensor:
    """Sharpen an image or a batch by the unsharp mask of a spec."""
    return sharpen(image, sharpening.radius, sharpening.sigma, sharpening.amount, sharpening.threshold)

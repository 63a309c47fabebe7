"""A plan, carried out on the device."""

# B batch, n images of a call, C = 1 or 3, H W image, S T canvas

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from wildsr.degradation.batched.form import shape_of
from wildsr.degradation.batched.plan import Call, Plan
from wildsr.degradation.recipe import Recipe
from wildsr.degradation.tensors import in_float32


@in_float32
def run_plan(images: Tensor, plan: Plan, degrade_one: Callable[[Tensor, Recipe], Tensor]) -> Tensor:
    """Carry out a plan: (B, C, H, W) about [0, 1] -> (B, C, h, w), not yet rounded to 8 bit.

    Its tables are sent where they are not on the device yet. Nothing is read back.
    """
    plan = plan if plan.block.device == images.device else plan.to(images.device)
    height, width = (side // plan.scale for side in plan.shape[2:])
    done = []
    for group in plan.groups:
        generators = [Generator(images.device).manual_seed(seed) for seed in group.seeds]
        canvas = images.index_select(0, plan.view(group.members))
        for call in group.calls:
            canvas = _apply(canvas, call, plan, generators)
        done.append(canvas[..., :height, :width])
    done += [degrade_one(images[place], recipe)[None] for place, recipe in plan.alone]
    return torch.cat(done).index_select(0, plan.view(plan.order))


def _apply(canvas: Tensor, call: Call, plan: Plan, generators: Sequence[Generator]) -> Tensor:
    """Take the images of a call from the group's canvas (n, C, S, T), apply its step, lay them back."""
    tables = {name: plan.view(slot) for name, slot in call.tables.items()}
    height, width = shape_of(call.step.before)
    images = canvas[..., :height, :width]
    index = None if call.index is None else plan.view(call.index)
    if index is not None:
        images = images.index_select(0, index)
    images = call.form.apply(images, call.step, tables, [generators[place] for place in call.places])
    if index is None:
        return images
    tall, wide = images.shape[-2:]
    more = max(wide - canvas.shape[3], 0), max(tall - canvas.shape[2], 0)
    canvas = F.pad(canvas, (0, more[0], 0, more[1])) if any(more) else canvas
    canvas[..., :tall, :wide].index_copy_(0, index, images)
    return canvas

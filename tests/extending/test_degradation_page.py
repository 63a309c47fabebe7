"""docs/degradation.md: its code runs from top to bottom, and its batched form is the operation of docs/extending.md."""

import re
from dataclasses import replace
from pathlib import Path

import mine
import pytest
import torch

from wildsr.degradation import Step, degrade, make_plan

PAGE = Path(__file__).parents[2] / "docs" / "degradation.md"


@pytest.mark.filterwarnings("ignore")  # Lightning's advice on workers
def test_the_code_of_the_page_runs_and_its_batched_form_is_the_operation():
    names: dict = {"__name__": "page"}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL):
        exec(block, names)
    assert names["lq"].shape == (6, 3, 32, 32)

    class Batched(mine.Posterise):
        batched = names["PosteriseBatch"]

    hq = names["hq"]
    first = [Step("first", Batched(), mine.Posterise.Record(levels)) for levels in (4, 8, 12, 16, 20, 32)]
    recipes = [
        replace(recipe, steps=[step, *[other for other in recipe.steps if other.op != "noise"]])
        for step, recipe in zip(first, names["recipes"], strict=True)
    ]
    plan = make_plan(recipes, hq.shape)
    assert {group.calls[0].form for group in plan.groups} == {Batched.batched}
    expected = torch.stack([degrade(image, recipe) for image, recipe in zip(hq, recipes, strict=True)])
    assert (degrade(hq, plan) - expected).abs().mean() * 255 < 0.15

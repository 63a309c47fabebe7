"""An operation from outside: one class, its node of YAML, and its place in an arrangement."""

import pickle
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch

from wildsr import config
from wildsr.apps.common.drawn import drawn_values, in_words
from wildsr.config import build, compose_config, conf_folder
from wildsr.data import sample_photographs
from wildsr.degradation import DegradationSpec, Recipe, degrade, trace
from wildsr.degradation.spec import OrderSpec

HQ = sample_photographs(["astronaut.png"])[0][:, :64, :96].float() / 255


@dataclass(frozen=True)
class Posterise:
    """Round to a drawn number of levels, with probability `prob`."""

    name: ClassVar[str] = "posterise"
    prob: float = 1.0
    levels: Sequence[int] = (4, 32)

    @dataclass(frozen=True)
    class Record:
        levels: int

        def describe(self):
            return f"{self.levels} levels"

    def draw(self, rng, context):
        return self.Record(int(rng.integers(*self.levels, endpoint=True))) if rng.random() < self.prob else None

    @staticmethod
    def apply(image, record, generator, final_size):
        return (image * (record.levels - 1)).round() / (record.levels - 1)


MINE = f"""
defaults:
  - second_order
  - _self_

first:
  posterise:
    _target_: {__name__}.Posterise
    prob: 0.75
    levels: [2, 8]
  arrangements:
    - {{weight: 1.0, order: [blur, posterise, resize, noise, jpeg]}}
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A degradation composed from a file of one's own; arguments are overrides."""
    shutil.copytree(conf_folder(), tmp_path / "conf")
    (tmp_path / "conf" / "degradation" / "mine.yaml").write_text(MINE)
    monkeypatch.setattr(config, "conf_folder", lambda: tmp_path / "conf")
    return lambda *overrides: build(compose_config(["degradation=mine", *overrides]).degradation, "degradation")


def recipes(spec, count=400):
    return [spec.draw(np.random.default_rng([3, number])) for number in range(count)]


def test_it_is_drawn_at_its_place_and_the_draws_before_it_stay(mine):
    drawn = recipes(mine())
    with_it = [recipe for recipe in drawn if "first.posterise" in recipe.records]
    assert len(with_it) / 400 == pytest.approx(0.75, abs=5 * (0.75 * 0.25 / 400) ** 0.5)
    assert {recipe.records["first.posterise"].levels for recipe in with_it} == set(range(2, 9))
    for recipe, released in zip(drawn, recipes(DegradationSpec()), strict=True):
        first = [name for name in recipe.records if name.startswith("first.")]
        place = ["first.posterise"] if "first.posterise" in first else []
        assert first == ["first.blur", *place, "first.resize", "first.noise", "first.jpeg"]
        for name in set(first) - set(place):  # declared before it: they draw before it
            assert recipe.records[name] == released.records[name]


def test_it_is_said_in_words_and_counted(mine):
    spec = mine("degradation.first.posterise.levels=[5,5]", "degradation.first.posterise.prob=1")
    recipe = recipes(spec, 1)[0]
    assert "; 5 levels; " in recipe.describe()
    assert ", 5 levels, " in in_words(recipe).splitlines()[0]
    assert drawn_values(spec, 20, seed=0)["first.posterise.levels"] == [5] * 20


def test_it_is_applied_at_its_place(mine):
    spec = mine("degradation.first.posterise.levels=[2,2]", "degradation.first.posterise.prob=1")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        steps = trace(HQ, recipes(spec, 1)[0])
    name, _, image = steps[1]
    assert name == "first.posterise" and image.dtype == torch.float32
    assert torch.equal(image, steps[0][2].round())


def test_its_recipes_replay_from_json_where_it_is_passed_as_a_class_or_an_object(mine):
    spec = mine("degradation.first.posterise.prob=1")
    for recipe in recipes(spec, 5):
        text = recipe.to_json()
        assert '{"order": "first", "op": "posterise", "levels": ' in text and __name__ not in text
        for operations in ([Posterise], [Posterise(levels=(9, 9))], spec.operations.values()):
            again = Recipe.from_json(text, operations=operations)
            assert again == recipe
            assert torch.equal(degrade(HQ, again), degrade(HQ, recipe))
        assert pickle.loads(pickle.dumps(recipe)) == recipe  # as workers send it


def test_where_it_is_unknown_the_step_is_refused_by_name(mine):
    text = recipes(mine("degradation.first.posterise.prob=1"), 1)[0].to_json()
    with pytest.raises(ValueError) as error:
        Recipe.from_json(text)
    assert str(error.value) == (
        "steps.1.op: given 'posterise'; choose from blur, sinc, resize, noise, jpeg, motion, defocus, halo, "
        "webp, video; "
        "another is known where it is passed as one of the operations"
    )


def test_a_fixed_recipe_may_have_it(mine):
    recipe = recipes(mine("degradation.first.posterise.prob=1"), 1)[0]
    orders = dict(mine().orders)
    spec = DegradationSpec(fixed_recipe=recipe.to_dict(), **orders)
    assert spec.draw(np.random.default_rng(0)).steps == recipe.steps


def test_what_is_wrong_with_it_is_one_line_that_names_it(mine):
    with pytest.raises(
        ValueError, match=r"degradation\.first\.arrangements\.0\.order: given .*, wanted each of blur, "
    ):
        mine("degradation.first.arrangements=[{weight: 1, order: [blur, resize, noise, jpeg]}]")

    class Nameless(Posterise):
        name = property()

    class Reserved(Posterise):
        @dataclass(frozen=True)
        class Record:
            order: int

    with pytest.raises(ValueError, match=r"^dust: given .*, wanted an operation, with name, Record, draw, apply"):
        OrderSpec(dust=Nameless())
    with pytest.raises(ValueError, match=r"^dust\.Record: given 'order', wanted another name for a field"):
        OrderSpec(dust=Reserved())


def test_its_name_is_its_own_and_its_result_has_the_final_size():
    class Shrink(Posterise):
        name = "shrink"

        @staticmethod
        def apply(image, record, generator, final_size):
            return image[:, :1, :1]

    def spec(operation):
        final = OrderSpec(resize=DegradationSpec().operations["final.resize"], own=operation)
        return DegradationSpec(first=OrderSpec(posterise=Posterise()), second=None, final=final)

    with pytest.raises(ValueError, match=r"^final\.shrink: gave \(3, 1, 1\), wanted \(3, 16, 24\) at the end"):
        degrade(HQ, spec(Shrink()).draw(np.random.default_rng(0)))
    for name in ("jpeg", "posterise"):
        Shrink.name = name
        with pytest.raises(ValueError, match=rf"^final\.own\.name: given '{name}', wanted a name that no operation"):
            spec(Shrink())

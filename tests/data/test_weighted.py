"""Several roots with weights: the law of the draw by counting, and the way from the configuration."""

from collections import Counter

import numpy as np
import pytest
import torch

from wildsr.building import build_data
from wildsr.cli import main
from wildsr.config import compose_config
from wildsr.data import Photographs, Samples, WeightedImages, fingerprint
from wildsr.degradation import DegradationSpec
from wildsr.images import write_image
from wildsr.stage import plain
from wildsr.training.resume import stage_settings

FEW = ["data=folder", "data.crop=64", "data.patch=32", "data.val=null"]


class Named:
    """So many images of one grey level."""

    def __init__(self, level, count):
        self.level, self.count = level, count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return torch.full((3, 32, 32), self.level, dtype=torch.uint8)

    def name(self, index):
        return f"{self.level}/{index}"


def three():
    return WeightedImages({"a": Named(10, 4), "b": Named(20, 1), "c": Named(30, 20)}, {"a": 1, "b": 3, "c": 0})


def test_numbers_run_through_the_sets_one_after_the_other():
    images = three()
    assert len(images) == 25
    assert [int(images[index][0, 0, 0]) for index in (0, 3, 4, 5, 24)] == [10, 10, 20, 30, 30]
    assert [images.name(index) for index in (3, 4, 24)] == ["a/10/3", "b/20/0", "c/30/19"]
    for outside in (25, -1):
        with pytest.raises(IndexError):
            images[outside]


def test_a_set_is_drawn_by_its_weight_whatever_its_size():
    dataset = Samples(three(), DegradationSpec(), crop=32, patch=16, seed=3)
    drawn = Counter(dataset[number].params.image for number in range(1000))
    shares = Counter("a" if image < 4 else "b" if image == 4 else "c" for image in drawn.elements())
    assert shares["c"] == 0
    assert abs(shares["b"] - 750) < 4 * np.sqrt(1000 * 0.75 * 0.25)  # four standard deviations
    for image in range(4):  # of a set all are equally likely
        assert abs(drawn[image] - 250 / 4) < 4 * np.sqrt(1000 / 16)


def test_a_sample_of_several_sets_is_a_function_of_seed_stage_and_number_alone():
    sources, weights = {"a": Named(10, 4), "b": Named(20, 3)}, {"a": 1, "b": 1}
    turned = {name: sources[name] for name in ("b", "a")}
    one, other, staged = (
        [Samples(WeightedImages(given, weights), DegradationSpec(), 32, 16, 3, stage)[n].params for n in order]
        for given, stage, order in ((sources, 0, range(40)), (turned, 0, reversed(range(40))), (sources, 1, range(40)))
    )
    assert one == other[::-1]
    assert 5 < sum((a.image < 4) == (b.image < 4) for a, b in zip(one, staged, strict=True)) < 35


def test_several_roots_are_given_by_their_names_a_store_among_them(photographs, tmp_path):
    words = ["prepare", "folder", str(photographs), "--size", "96", "--step", "96", "--workers", "1"]
    assert main([*words, "-o", str(tmp_path / "b"), "--store"]) == 0
    store = f"{{_target_: wildsr.data.Store, root: {tmp_path / 'b' / 'train.store'}, weight: 1}}"
    roots = f"data.train.root={{mine: {{root: {photographs}, weight: 3}}, cut: {store}}}"
    cfg = compose_config([*FEW, roots, "data.train.root.mine.weight=1"])
    samples = build_data(cfg).samples
    assert list(samples.images.sources) == ["cut", "mine"]
    assert {samples.name(samples[n].params).split("/")[0] for n in range(20)} == {"cut", "mine"}
    assert len(fingerprint(samples)) == 64
    settings = stage_settings(plain(cfg), "psnr")
    assert settings["data.train.root.cut.weight"] == 1 and "data.train.root.cut.root" not in settings
    alone = build_data(compose_config([*FEW, f"data.train.root={photographs}"])).samples
    assert fingerprint(alone) != fingerprint(samples)


def test_of_several_roots_the_undersized_are_left_out_one_by_one(photographs, tmp_path):
    write_image(torch.zeros(3, 40, 200, dtype=torch.uint8), photographs / "low.png")
    roots = f"data.train.root={{one: {{root: {photographs}, weight: 1}}, two: {{root: {photographs}, weight: 1}}}}"
    samples = build_data(compose_config([*FEW, roots, "data.undersized=leave_out"])).samples
    assert [len(source) for source in samples.images.sources.values()] == [4, 4]
    assert fingerprint(samples)


def test_images_that_remain_keep_their_names(photographs):
    write_image(torch.zeros(3, 40, 200, dtype=torch.uint8), photographs / "a.low.png")
    words = [*FEW, f"data.train.root={photographs}", "data.undersized=leave_out"]
    samples = build_data(compose_config(words)).samples
    assert sorted(samples.name(samples[n].params) for n in range(4)) == ["a.png", "b.jpg", "c.webp", "more/d.png"]
    assert [min(image.shape[1:]) for image in samples.images] == [160] * 4
    assert len(fingerprint(samples)) == 64


@pytest.mark.parametrize(
    ("roots", "words"),
    [
        ("{a: {root: DIR, weight: 0}}", r"^data\.train\.root: given no weight above 0"),
        ("{a: {root: DIR, weight: -1}}", r"^data\.train\.root\.a\.weight: given -1, wanted a number from 0"),
        ("{a: {root: DIR}}", r"^data\.train\.root\.a: given .*, wanted a mapping such as \{root: DIR, weight: 1\}"),
        ("{a: DIR}", r"^data\.train\.root\.a: given 'DIR', wanted a mapping"),
        ("{a: {root: DIR/none, weight: 1}}", r"none: no such folder; give the folder of your photographs"),
    ],
)
def test_roots_that_cannot_be_are_refused(photographs, roots, words):
    given = roots if roots == "{a: DIR}" else roots.replace("DIR", str(photographs))
    with pytest.raises(ValueError, match=words):
        build_data(compose_config([*FEW, f"data.train.root={given}"]))


def test_a_photograph_alone_is_drawn_as_ever(photographs):
    """One root's samples are those of runs before there could be several."""
    plain_samples = Samples(Photographs(photographs), DegradationSpec(), crop=64, patch=32, seed=3)
    cfg = compose_config([*FEW, f"data.train.root={photographs}", "seed=3"])
    assert all(build_data(cfg).samples[n].params == plain_samples[n].params for n in range(4))

from collections import Counter

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from wildsr.data import Batch, Pairs, Photographs, RunBatches, Samples
from wildsr.data.samples import pad_to
from wildsr.degradation import DegradationSpec


def samples(folder, **changes):
    options = {"spec": DegradationSpec(), "crop": 64, "patch": 32, "seed": 3} | changes
    return Samples(Photographs(folder), **options)


def loader(dataset, workers, start=0, batch=4):
    return DataLoader(dataset, batch_sampler=RunBatches(batch, start), collate_fn=Batch.collate, num_workers=workers)


def first(iterable, count):
    iterator = iter(iterable)
    return [next(iterator) for _ in range(count)]


def same(a, b):
    return a.drawn == b.drawn and torch.equal(a.hq, b.hq)


def test_a_sample_is_a_function_of_seed_and_number_alone(photographs):
    one, other = samples(photographs), samples(photographs)
    other[5], other[0]
    image, sample = one[7]
    again, same_sample = other[7]
    assert torch.equal(image, again)
    assert sample == same_sample
    assert samples(photographs, seed=4)[7][1] != sample


def test_the_pairs_of_a_run_do_not_depend_on_the_number_of_workers(photographs):
    dataset = samples(photographs)
    alone = first(loader(dataset, workers=0), 3)
    for workers in (1, 2):
        assert all(same(a, b) for a, b in zip(alone, first(loader(dataset, workers), 3), strict=True))


def test_a_loader_that_starts_late_gives_what_the_whole_one_gives_there(photographs):
    dataset = samples(photographs)
    whole = first(loader(dataset, workers=0), 4)
    assert same(whole[3], first(loader(dataset, workers=0, start=3), 1)[0])


def test_processes_share_a_batch_without_a_pair_twice():
    parts = [first(RunBatches(8, start=5, rank=rank, world=2), 2) for rank in (0, 1)]
    assert [a + b for a, b in zip(*parts, strict=True)] == [list(range(40, 48)), list(range(48, 56))]


def test_a_batch_that_cannot_be_divided_is_refused():
    with pytest.raises(ValueError, match=r"data\.batch_size=5: wanted a positive multiple of 2"):
        RunBatches(5, world=2)


def test_every_image_comes_once_a_round_in_changing_order(photographs):
    dataset = samples(photographs)
    rounds = [[dataset[turn * 4 + place][1].image for place in range(4)] for turn in range(8)]
    assert all(sorted(order) == [0, 1, 2, 3] for order in rounds)
    assert len({tuple(order) for order in rounds}) > 4


def test_crops_flips_and_windows_are_uniform(photographs):
    dataset = samples(photographs)
    drawn = [dataset[number][1] for number in range(800)]
    # 160 x 192 images, 64 crops: 97 tops and 129 lefts; windows 0 … 8. Four standard deviations of a mean.
    for values, high in (
        ([sample.top for sample in drawn], 96),
        ([sample.left for sample in drawn], 128),
        ([sample.window_top for sample in drawn], 8),
        ([sample.window_left for sample in drawn], 8),
    ):
        deviation = np.sqrt(((high + 1) ** 2 - 1) / 12 / len(values))
        assert min(values) >= 0
        assert max(values) <= high
        assert abs(np.mean(values) - high / 2) < 4 * deviation
    flips = Counter(sample.flip for sample in drawn)
    assert abs(flips[True] - 400) < 4 * np.sqrt(200)
    assert {sample.window_top for sample in drawn} == set(range(9))


def test_a_crop_is_cut_where_the_sample_says(photographs):
    dataset = samples(photographs)
    for number in range(6):
        image, sample = dataset[number]
        whole = dataset.images[sample.image]
        cut = whole[:, sample.top : sample.top + 64, sample.left : sample.left + 64]
        assert torch.equal(image, cut.flip(-1) if sample.flip else cut)


def test_small_images_are_padded_by_repeated_reflection():
    image = torch.arange(3, dtype=torch.uint8).view(1, 1, 3).repeat(1, 3, 1)
    assert pad_to(image, 8)[0, 0].tolist() == [0, 1, 2, 1, 0, 1, 2, 1]
    expected = np.pad(image.numpy(), ((0, 0), (0, 5), (0, 5)), mode="reflect")
    assert np.array_equal(pad_to(image, 8).numpy(), expected)
    assert pad_to(image[:, :1, :1], 4).shape == (1, 4, 4)


def test_validation_pairs_are_the_same_for_ever(photographs):
    pairs = Pairs(Photographs(photographs), DegradationSpec(scale=3), recipes=2)
    assert len(pairs) == 8
    assert [pairs[i][1] for i in range(8)] == [pairs[i][1] for i in range(8)]
    assert len({pairs[i][1].seed for i in range(8)}) == 8
    assert pairs[0][0].shape == (3, 159, 192)  # the sides' largest multiples of 3
    with pytest.raises(IndexError):
        pairs[8]


@pytest.mark.parametrize("changes", [{"crop": 66}, {"patch": 30}, {"patch": 96}, {"patch": 0}])
def test_an_impossible_crop_is_refused(photographs, changes):
    with pytest.raises(ValueError, match=r"data\.crop=.*data\.patch=.*wanted multiples of scale=4"):
        samples(photographs, **changes)

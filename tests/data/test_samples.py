from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from wildsr.data import Batch, MixedSamples, PairedSamples, Photographs, Samples, paired_folders
from wildsr.data.samples import pad_to
from wildsr.degradation import DegradationSpec
from wildsr.images import to_channels
from wildsr.io import ConfigError


def samples(folder, **changes):
    options = {"spec": DegradationSpec(), "crop": 64, "patch": 32, "seed": 3} | changes
    return Samples(Photographs(folder), **options)


def batches(dataset, workers, start=0):
    """Four batches of four, without those before `start`."""
    numbers = range(4 * start, 16)
    return list(DataLoader(dataset, batch_size=4, sampler=numbers, collate_fn=Batch.collate, num_workers=workers))


def same(a, b):
    lqs = (a.lq is None and b.lq is None) or torch.equal(a.lq, b.lq)
    return a.params == b.params and torch.equal(a.hq, b.hq) and lqs


def paired(folder, **changes):
    files = paired_folders(folder / "lq", folder / "hq", scale=4)
    return PairedSamples(files, **{"crop": 64, "patch": 32, "seed": 3} | changes)


def mixed(photographs, pairs, share, stage=0):
    return MixedSamples(paired(pairs, stage=stage), samples(photographs, stage=stage), share)


def test_a_sample_is_a_function_of_seed_and_number_alone(photographs):
    one, other = samples(photographs), samples(photographs)
    other[5], other[0]
    image, sample, _ = one[7]
    again, same_sample, _ = other[7]
    assert torch.equal(image, again)
    assert sample == same_sample
    assert samples(photographs, seed=4)[7][1] != sample


def test_stages_share_no_sample(photographs, pairs):
    one, other = ([samples(photographs, stage=stage)[n][1] for n in range(200)] for stage in (0, 1))
    assert {sample.recipe.seed for sample in one}.isdisjoint(sample.recipe.seed for sample in other)
    kernels = [{sample.recipe.records["first.blur"] for sample in some} for some in (one, other)]
    assert kernels[0].isdisjoint(kernels[1])
    # Crops and orders are few: equal by chance alone. 97 x 129 places and 2 flips; 4 images.
    assert sum((a.top, a.left, a.flip) == (b.top, b.left, b.flip) for a, b in zip(one, other, strict=True)) < 3
    assert 20 < sum(a.image == b.image for a, b in zip(one, other, strict=True)) < 80


def test_stages_share_no_sample_of_pairs_and_do_not_mix_alike(photographs, pairs):
    one, other = ([paired(pairs, stage=stage)[n][1] for n in range(200)] for stage in (0, 1))
    assert 20 < sum(a.image == b.image for a, b in zip(one, other, strict=True)) < 80
    # 25 x 33 places in LQ pixels, 2 flips and 9 x 9 windows.
    assert sum((a.top, a.left) == (b.top, b.left) for a, b in zip(one, other, strict=True)) < 6
    kinds = [[mixed(photographs, pairs, 0.5, stage)[n][1].recipe is None for n in range(100)] for stage in (0, 1)]
    assert 20 < sum(a == b for a, b in zip(*kinds, strict=True)) < 80


def test_numpy_draws_a_key_with_a_zero_behind_it_as_without():
    """So the first stage, number 0, keeps the samples that runs had before stages had numbers."""
    for key in ([0, 1, 0], [5, 3, 99], [2**31 - 1, 5, 10**9]):
        plain, staged, other = (np.random.default_rng(k).random(4).tolist() for k in (key, [*key, 0], [*key, 1]))
        assert plain == staged != other


def test_the_pairs_of_a_run_do_not_depend_on_the_number_of_workers(photographs):
    dataset = samples(photographs)
    alone = batches(dataset, workers=0)
    for workers in (1, 2):
        assert all(same(a, b) for a, b in zip(alone, batches(dataset, workers), strict=True))


def test_a_loader_that_starts_late_gives_what_the_whole_one_gives_there(photographs):
    dataset = samples(photographs)
    assert same(batches(dataset, workers=0)[3], batches(dataset, workers=0, start=3)[0])


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
        image, sample, lq = dataset[number]
        assert lq is None
        whole = dataset.images[sample.image]
        cut = whole[:, sample.top : sample.top + 64, sample.left : sample.left + 64]
        assert torch.equal(image, cut.flip(-1) if sample.flip else cut)


def test_small_images_are_padded_by_repeated_reflection():
    image = torch.arange(3, dtype=torch.uint8).view(1, 1, 3).repeat(1, 3, 1)
    assert pad_to(image, 8)[0, 0].tolist() == [0, 1, 2, 1, 0, 1, 2, 1]
    expected = np.pad(image.numpy(), ((0, 0), (0, 5), (0, 5)), mode="reflect")
    assert np.array_equal(pad_to(image, 8).numpy(), expected)
    assert pad_to(image[:, :1, :1], 4).shape == (1, 4, 4)


@pytest.mark.parametrize("changes", [{"crop": 66}, {"patch": 30}, {"patch": 96}, {"patch": 0}])
def test_an_impossible_crop_is_refused(photographs, changes):
    with pytest.raises(ConfigError, match=r"data\.crop=.*data\.patch=.*wanted multiples of scale=4"):
        samples(photographs, **changes)


def averaged(image):
    """Each 4 x 4 pixels averaged, as the LQ of the test's pairs was made; in 8-bit levels, not rounded."""
    return torch.nn.functional.avg_pool2d(image.float(), 4)


@pytest.mark.parametrize("crop", [64, 256])  # inside the 160 x 192 images, and padded on both sides
def test_a_pairs_two_crops_show_the_same_place(pairs, crop):
    dataset = paired(pairs, crop=crop)
    for number in range(12):
        hq, sample, lq = dataset[number]
        assert hq.shape == (3, crop, crop) and lq.shape == (3, crop // 4, crop // 4)
        assert sample.recipe is None and sample.top % 4 == sample.left % 4 == 0
        assert (averaged(hq) - lq).abs().max() <= 0.5001
    assert {dataset[number].params.flip for number in range(12)} == {True, False}


def test_a_paired_sample_is_a_function_of_seed_and_number_alone(pairs):
    one, other = paired(pairs), paired(pairs)
    other[5]
    for first, second in zip(one[7], other[7], strict=True):
        assert first == second if not isinstance(first, torch.Tensor) else torch.equal(first, second)
    assert paired(pairs, seed=4)[7].params != one[7].params
    rounds = [sorted(one[turn * 4 + place].params.image for place in range(4)) for turn in range(3)]
    assert rounds == [[0, 1, 2, 3]] * 3


def test_crops_of_pairs_are_uniform(pairs):
    dataset = paired(pairs)
    drawn = [dataset[number].params for number in range(400)]
    # 40 x 48 LQ images, 16 crops: 25 tops and 33 lefts, in steps of 4 HQ pixels; windows 0 … 8.
    for values, high in (
        ([sample.top // 4 for sample in drawn], 24),
        ([sample.left // 4 for sample in drawn], 32),
        ([sample.window_top for sample in drawn], 8),
        ([sample.window_left for sample in drawn], 8),
    ):
        deviation = np.sqrt(((high + 1) ** 2 - 1) / 12 / len(values))
        assert min(values) >= 0 and max(values) <= high
        assert abs(np.mean(values) - high / 2) < 4 * deviation


def test_a_share_of_the_samples_is_paired(photographs, pairs):
    dataset = mixed(photographs, pairs, share=0.3)
    kinds = [dataset[number].params.recipe is None for number in range(1000)]
    assert abs(sum(kinds) - 300) < 4 * np.sqrt(1000 * 0.3 * 0.7)
    for number in range(20):
        part = dataset.paired if kinds[number] else dataset.synthetic
        assert dataset[number].params == part[number].params
    for share, paired_ones in ((0.0, 0), (1.0, 50)):
        dataset = mixed(photographs, pairs, share)
        assert sum(dataset[number].params.recipe is None for number in range(50)) == paired_ones


def test_mixed_batches_do_not_depend_on_the_number_of_workers_or_on_where_they_start(photographs, pairs):
    dataset = mixed(photographs, pairs, share=0.5)
    alone = batches(dataset, workers=0)
    assert any(batch.lq is not None and len(batch.lq) < 4 for batch in alone)
    assert all(same(a, b) for a, b in zip(alone, batches(dataset, workers=2), strict=True))
    assert same(alone[2], batches(dataset, workers=0, start=2)[0])
    assert [sample.to_dict()["recipe"] is None for sample in alone[0].params] == [
        sample.recipe is None for sample in alone[0].params
    ]


def test_an_impossible_crop_of_pairs_is_refused(pairs):
    with pytest.raises(ValueError, match=r"data\.crop=66.*wanted multiples of scale=4"):
        paired(pairs, crop=66)


def test_one_channel_samples_are_the_luma_of_the_same_crops(photographs, pairs):
    for make, source in ((samples, photographs), (paired, pairs)):
        for number in range(4):
            colour, grey = make(source)[number], make(source, channels=1)[number]
            assert grey.params == colour.params
            assert torch.equal(grey.hq, to_channels(colour.hq, 1))
            assert (grey.lq is None) == (colour.lq is None)
            assert grey.lq is None or torch.equal(grey.lq, to_channels(colour.lq, 1))


def test_with_quarter_turns_all_eight_orientations_are_equally_likely_and_every_other_draw_stays(photographs):
    plain, turned = samples(photographs), samples(photographs, rotate=True)
    found = [turned[number].params for number in range(800)]
    counts = Counter((sample.flip, sample.turns) for sample in found)
    assert set(counts) == {(flip, turns) for flip in (False, True) for turns in range(4)}
    assert max(abs(count - 100) for count in counts.values()) < 4 * np.sqrt(800 / 8 * 7 / 8)  # standard deviations
    for number in range(12):
        image, sample, _ = turned[number]
        before, other, _ = plain[number]
        assert sample == replace(other, turns=sample.turns) and other.turns == 0
        assert torch.equal(image, torch.rot90(before, sample.turns, (1, 2))) and image.is_contiguous()
    assert samples(photographs, rotate=True, stage=1)[0].params != found[0]


def test_pairs_are_turned_together(pairs):
    dataset = paired(pairs, rotate=True)
    turns = set()
    for number in range(12):
        hq, sample, lq = dataset[number]
        assert (averaged(hq) - lq).abs().max() <= 0.5001
        assert torch.equal(hq, torch.rot90(paired(pairs)[number].hq, sample.turns, (1, 2)))
        turns.add(sample.turns)
    assert turns == {0, 1, 2, 3}

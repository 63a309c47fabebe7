import pickle
from types import SimpleNamespace

import pytest
import torch

from wildsr.data import Batch, Item, MixedSamples, PairedSamples, Photographs, Samples, paired_folders
from wildsr.degradation import DegradationSpec, SharpenSpec, degrade, sharpen
from wildsr.images import to_float
from wildsr.training.datamodule import DegradedPhotographs, training_pair, validation_pair

PLUS = SharpenSpec()
NONE = SharpenSpec(source=False, target_pixel=False, target_perceptual=False)


@pytest.fixture
def batch(photographs):
    samples = Samples(Photographs(photographs), DegradationSpec(), crop=96, patch=64, seed=0)
    return Batch.collate([samples[number] for number in range(4)])


def window(image, sample, scale=1):
    top, left, side = sample.window_top * scale, sample.window_left * scale, 16 * scale
    return image[..., top : top + side, left : left + side]


def test_lq_and_targets_show_the_same_window(batch):
    pair = training_pair(batch, NONE, patch=64)
    for index, sample in enumerate(batch.drawn):
        hq = to_float(batch.hq[index])
        assert torch.equal(pair.lq[index], window(degrade(hq, sample.recipe), sample))
        assert torch.equal(pair.target_pixel[index], window(hq, sample, scale=4))


def test_plus_sharpens_the_source_and_two_of_three_targets(batch):
    pair = training_pair(batch, PLUS, patch=64)
    for index, sample in enumerate(batch.drawn):
        hq = to_float(batch.hq[index])
        sharp = sharpen(hq)
        assert torch.allclose(pair.lq[index], window(degrade(sharp, sample.recipe), sample), atol=1.01 / 255)
        assert torch.allclose(pair.target_pixel[index], window(sharp, sample, scale=4), atol=1e-6)
        assert torch.equal(pair.target_perceptual[index], pair.target_pixel[index])
        assert torch.equal(pair.target_adversarial[index], window(hq, sample, scale=4))
    assert not torch.equal(pair.target_pixel, pair.target_adversarial)


def test_without_sharpening_all_targets_are_the_photograph(batch):
    pair = training_pair(batch, NONE, patch=64)
    assert torch.equal(pair.target_pixel, pair.target_adversarial)
    assert torch.equal(pair.target_perceptual, pair.target_adversarial)


def test_an_images_lq_does_not_depend_on_its_neighbours(batch):
    whole = training_pair(batch, PLUS, patch=64)
    alone = training_pair(Batch(batch.hq[2:3], batch.drawn[2:3]), PLUS, patch=64)
    assert torch.equal(whole.lq[2], alone.lq[0])


def test_workers_and_device_make_the_same_pairs(batch, photographs):
    samples = Samples(Photographs(photographs), DegradationSpec(), crop=96, patch=64, seed=0)
    made = []
    for workers, degrade_in in ((0, "device"), (0, "worker"), (2, "worker")):
        data = DegradedPhotographs(samples, {}, PLUS, batch_size=4, workers=workers, degrade_in=degrade_in)
        data.trainer = SimpleNamespace(
            lightning_module=SimpleNamespace(iteration=0), global_rank=0, world_size=1, training=True
        )
        made.append(data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0))
    for pair in made[1:]:
        assert all(torch.equal(one, other) for one, other in zip(made[0], pair, strict=True))


def test_what_goes_to_a_spawned_worker_leaves_the_trainer_behind(batch, photographs):
    samples = Samples(Photographs(photographs), DegradationSpec(), crop=96, patch=64, seed=0)
    data = DegradedPhotographs(samples, {}, PLUS, batch_size=4, workers=1, degrade_in="worker")
    data.trainer = SimpleNamespace(
        lightning_module=SimpleNamespace(iteration=0, local=lambda: None), global_rank=0, world_size=1
    )
    loader = data.train_dataloader()
    sent = pickle.loads(pickle.dumps((loader.collate_fn, loader.worker_init_fn, loader.batch_sampler)))
    assert torch.equal(sent[0]([samples[0]]).lq, training_pair(Batch.collate([samples[0]]), PLUS, patch=64).lq)


class Tensors:
    """Remembers how it was sent to a device."""

    def to(self, device, non_blocking):
        self.sent = (device, non_blocking)
        return self


def test_a_batch_is_sent_to_cuda_without_waiting_for_it():
    hq = Tensors()
    for device, waits_not in (("cuda:0", True), (torch.device("cuda"), True), ("cpu", False)):
        Batch(hq, []).to(device)
        assert hq.sent == (device, waits_not)


def test_pairs_carry_no_gradient(batch):
    pair = training_pair(batch, PLUS, patch=64)
    assert not any(tensor.requires_grad for tensor in pair)


def test_validation_is_judged_against_the_photograph_itself(batch):
    one = Batch(batch.hq[:1], [batch.drawn[0].recipe])
    pair = validation_pair(one)
    assert torch.equal(pair.hq[0], to_float(batch.hq[0]))
    assert torch.equal(pair.lq[0], degrade(pair.hq[0], batch.drawn[0].recipe))


@pytest.fixture
def mixed(photographs, pairs):
    synthetic = Samples(Photographs(photographs), DegradationSpec(), crop=96, patch=64, seed=0)
    paired = PairedSamples(paired_folders(pairs / "lq", pairs / "hq", 4), crop=96, patch=64, seed=0)
    return MixedSamples(paired, synthetic, share=0.5, seed=0)


def test_a_pairs_lq_is_as_it_was_found_and_its_targets_are_sharpened_as_the_others(mixed):
    items = [mixed[number] for number in range(8)]
    pair = training_pair(Batch.collate(items), PLUS, patch=64)
    assert 0 < sum(item.lq is not None for item in items) < 8
    for index, (hq, sample, lq) in enumerate(items):
        hq = to_float(hq)
        made = degrade(sharpen(hq), sample.recipe) if lq is None else to_float(lq)
        assert torch.allclose(pair.lq[index], window(made, sample), atol=1.01 / 255 if lq is None else 0)
        assert torch.allclose(pair.target_pixel[index], window(sharpen(hq), sample, scale=4), atol=1e-6)
        assert torch.equal(pair.target_adversarial[index], window(hq, sample, scale=4))


def test_without_sharpening_a_pair_is_what_the_files_hold(mixed):
    items = [mixed.paired[number] for number in range(3)]
    pair = training_pair(Batch.collate(items), NONE, patch=64)
    for index, (hq, sample, lq) in enumerate(items):
        assert torch.equal(pair.lq[index], window(to_float(lq), sample))
        for target in pair[1:]:
            assert torch.equal(target[index], window(to_float(hq), sample, scale=4))


def test_mixed_batches_are_the_same_in_workers_and_on_the_device(mixed):
    made = []
    for workers, degrade_in in ((0, "device"), (2, "device"), (2, "worker")):
        data = DegradedPhotographs(mixed, {}, PLUS, batch_size=6, workers=workers, degrade_in=degrade_in)
        data.trainer = SimpleNamespace(
            lightning_module=SimpleNamespace(iteration=3), global_rank=0, world_size=1, training=True
        )
        made.append(data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0))
    for pair in made[1:]:
        assert all(torch.equal(one, other) for one, other in zip(made[0], pair, strict=True))


def test_validation_takes_pairs_and_real_photographs_as_they_are(pairs):
    lq, hq = paired_folders(pairs / "lq", pairs / "hq", 4)[0]
    pair = validation_pair(Batch.collate([Item(hq, None, lq)]))
    assert torch.equal(pair.lq[0], to_float(lq)) and torch.equal(pair.hq[0], to_float(hq))
    pair = validation_pair(Batch.collate([Item(None, None, lq)]).to("cpu"))
    assert torch.equal(pair.lq[0], to_float(lq)) and pair.hq is None

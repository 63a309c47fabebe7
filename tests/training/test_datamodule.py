import pickle
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from wildsr.data import Batch, Item, MixedSamples, Photographs, Samples, paired_folders, validation_set
from wildsr.degradation import Degradation, DegradationSpec, SharpenSpec, degrade, sharpen
from wildsr.degradation.operations import (
    BlurSpec,
    FinalResizeSpec,
    JpegSpec,
    NoiseSpec,
    ResizeSpec,
    VideoSpec,
    WebpSpec,
)
from wildsr.degradation.spec import OrderSpec, second_order
from wildsr.images import to_float
from wildsr.training import DegradedPhotographs
from wildsr.training.pairs import PairMaker, validation_pair

PLUS = SharpenSpec()
NONE = None


def training_pair(batch, sharpening, patch):
    return PairMaker(Degradation(DegradationSpec()), sharpening, patch)(batch)


def attach(data, iteration=0, rank=0, world=1):
    """The trainer, as far as the data asks it."""
    data.trainer = SimpleNamespace(
        lightning_module=SimpleNamespace(iteration=iteration, local=lambda: None),
        strategy=SimpleNamespace(root_device=torch.device("cpu")),
        global_rank=rank,
        world_size=world,
    )
    return data


def made(photographs, **options):
    given = {"sharpen": PLUS, "crop": 96, "patch": 64} | options
    return DegradedPhotographs(Photographs(photographs), Degradation(DegradationSpec()), **given)


@pytest.fixture
def batch(photographs):
    samples = Samples(Photographs(photographs), DegradationSpec(), crop=96, patch=64, seed=0)
    return Batch.collate([samples[number] for number in range(4)])


def window(image, sample, scale=1):
    top, left, side = sample.window_top * scale, sample.window_left * scale, 16 * scale
    return image[..., top : top + side, left : left + side]


def test_lq_and_targets_show_the_same_window(batch):
    pair = training_pair(batch, NONE, patch=64)
    for index, sample in enumerate(batch.params):
        hq = to_float(batch.hq[index])
        assert torch.equal(pair.lq[index], window(degrade(hq, sample.recipe), sample))
        assert torch.equal(pair.target_pixel[index], window(hq, sample, scale=4))


def test_plus_sharpens_the_source_and_two_of_three_targets(batch):
    pair = training_pair(batch, PLUS, patch=64)
    for index, sample in enumerate(batch.params):
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
    alone = training_pair(Batch(batch.hq[2:3], batch.params[2:3]), PLUS, patch=64)
    assert torch.equal(whole.lq[2], alone.lq[0])


def test_workers_and_device_make_the_same_pairs(photographs):
    pairs = []
    for workers, degrade_in in ((0, "device"), (0, "worker"), (2, "worker")):
        data = attach(made(photographs, batch_size=4, workers=workers, degrade_in=degrade_in))
        pairs.append(data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0))
    for pair in pairs[1:]:
        assert all(torch.equal(one, other) for one, other in zip(pairs[0], pair, strict=True))


def on_a_gpu(data):
    data.trainer.strategy.root_device = torch.device("cuda")
    return data


def test_a_worker_plans_what_a_gpu_degrades(photographs):
    """Carried out on a CPU, where one can look, the plan makes the batch's pairs."""
    pairs = []
    for place in (attach, lambda data: on_a_gpu(attach(data))):
        data = place(made(photographs, batch_size=4, workers=1))
        batch = next(iter(data.train_dataloader()))
        pairs.append(data.on_after_batch_transfer(batch.to("cpu"), 0))
    assert batch.plan is not None and batch.plan.shape == (4, 3, 96, 96)
    gaussian = [
        place
        for place, sample in enumerate(batch.params)
        if all(step.op != "noise" or step.record.kind == "gaussian" for step in sample.recipe.steps)
    ]
    for one, planned in zip(*pairs, strict=True):
        assert (one - planned)[gaussian].abs().mean() * 255 < 0.15
        assert one.shape == planned.shape


def test_what_only_a_cpu_can_do_is_done_in_the_worker_and_the_rest_planned(photographs):
    data = on_a_gpu(attach(made(photographs, batch_size=4)))
    items = [data.samples[number] for number in range(4)]
    expected = training_pair(Batch.collate(items), PLUS, patch=64)
    sample = items[1].params
    codec = type("Codec", (JpegSpec,), {"on_cpu": True})
    steps = [replace(step, operation=codec) if step.op == "jpeg" else step for step in sample.recipe.steps]
    items[1] = items[1]._replace(params=replace(sample, recipe=replace(sample.recipe, steps=steps)))
    batch = data.train_dataloader().collate_fn(items)
    assert batch.to_degrade == [0, 2, 3] and batch.plan.shape[0] == 3 and len(batch.lq) == 1
    pair = data.on_after_batch_transfer(batch, 0)
    assert torch.equal(pair.lq[1], expected.lq[1])
    assert torch.equal(pair.target_pixel, expected.target_pixel)


def codecs():
    """A degradation that ends with codecs."""
    keep = ResizeSpec(up=0, down=0, keep=1, relative_to="final")
    first = OrderSpec(blur=BlurSpec(), resize=keep, webp=WebpSpec(), video=VideoSpec())
    return Degradation(DegradationSpec(first=first, second=None, final=None))


def test_beside_a_gpu_images_with_codecs_are_degraded_in_the_workers_and_it_is_said_once(photographs, caplog):
    """The strategy has a device that is none here: nothing may go there before the images are degraded."""
    pairs = []
    with caplog.at_level("INFO", "wildsr"):
        for device in ("cpu", "cuda"):
            data = DegradedPhotographs(Photographs(photographs), codecs(), 4, sharpen=PLUS, crop=96, patch=64)
            attach(data)
            data.trainer.strategy.root_device = torch.device(device)
            data.trainer.is_global_zero = True
            data.setup("fit")
            data.setup("validate")
            batch = next(iter(data.train_dataloader()))
            assert batch.to_degrade == {"cpu": [0, 1, 2, 3], "cuda": []}[device]
            pairs.append(data.on_after_batch_transfer(batch, 0))
    assert all(torch.equal(one, other) for one, other in zip(*pairs, strict=True))
    assert caplog.messages == ["video, webp: computed on the CPU, so such samples are degraded in the workers"]


@pytest.mark.parametrize("orders", [1, 2, 3])
def test_a_run_trains_on_one_two_or_three_orders(photographs, psnr, trainer, orders):
    keep = ResizeSpec(up=0, down=0, keep=1, relative_to="final")
    changes = {
        1: {
            "first": OrderSpec(resize=keep, noise=NoiseSpec(prob=0.5), video=VideoSpec()),
            "second": None,
            "final": None,
        },
        2: {"final": OrderSpec(resize=FinalResizeSpec(modes=["lanczos"]))},
        3: {"third": second_order()},
    }[orders]
    degradation = Degradation(DegradationSpec(**changes))
    data = DegradedPhotographs(Photographs(photographs), degradation, 2, crop=64, patch=32, iterations_per_epoch=2)
    module = psnr()
    before = [weight.clone() for weight in module.generator.parameters()]
    trainer(2).fit(module, data)
    assert module.iteration == 2
    assert any(not torch.equal(*both) for both in zip(before, module.generator.parameters(), strict=True))


def test_what_goes_to_a_spawned_worker_leaves_the_trainer_behind(photographs):
    data = attach(made(photographs, batch_size=4, workers=1, degrade_in="worker"))
    loader = data.train_dataloader()
    sent = pickle.loads(pickle.dumps((loader.dataset, loader.collate_fn, loader.worker_init_fn)))
    item = data.samples[0]
    assert torch.equal(sent[1]([sent[0][0]]).lq, training_pair(Batch.collate([item]), PLUS, patch=64).lq)


def test_processes_share_each_batch_and_no_number_comes_twice(photographs):
    loaders = [
        attach(made(photographs, batch_size=4, iterations_per_epoch=2), 3, rank, 2).train_dataloader()
        for rank in range(2)
    ]
    assert [len(loader) for loader in loaders] == [2, 2]
    # Iteration 3 of a run takes the samples from 12 on.
    assert [list(loader.batch_sampler) for loader in loaders] == [[[12, 13], [16, 17]], [[14, 15], [18, 19]]]
    with pytest.raises(ValueError, match=r"^batch_size: given 4, wanted a multiple of 3 processes"):
        attach(made(photographs, batch_size=4), world=3).train_dataloader()


def test_processes_share_a_validation_set_and_one_without_an_image_repeats_the_first(photographs):
    shown = []
    for rank in range(5):
        data = attach(made(photographs, batch_size=5, val=validation_set(4, hq=photographs)), rank=rank, world=5)
        loader = data.val_dataloader()["main"]
        (batch,) = loader
        numbers = [loader.dataset.indices[place] for place in loader.sampler]
        shown.append((numbers, data.on_after_batch_transfer(batch, 0).is_repeated))
    assert shown == [([0], False), ([1], False), ([2], False), ([3], False), ([0], True)]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"batch_size": 0}, r"^batch_size: given 0, wanted a whole number from 1"),
        ({"patch": 128}, r"patch=128: wanted multiples of scale=4"),
        ({"paired_share": 0.5}, r"^pairs: given nothing, wanted pairs, as paired_share=0\.5"),
        ({"degrade_in": "cloud"}, r"^degrade_in: given 'cloud'; choose from "),
    ],
)
def test_impossible_data_are_refused(photographs, changes, words):
    with pytest.raises(ValueError, match=words):
        made(photographs, **{"batch_size": 2} | changes)


def test_a_folders_name_and_a_bare_spec_are_refused_with_what_makes_them_right(photographs):
    with pytest.raises(TypeError, match=r"^train: given '.*', wanted images, such as Photographs\('"):
        DegradedPhotographs(str(photographs), Degradation(DegradationSpec()), batch_size=2)
    with pytest.raises(TypeError, match=r"^degradation: given a DegradationSpec, wanted a module: Degradation\(spec\)"):
        DegradedPhotographs(Photographs(photographs), DegradationSpec(), batch_size=2)


def test_without_photographs_all_samples_are_pairs(pairs):
    files = paired_folders(pairs / "lq", pairs / "hq", 4)
    degradation = Degradation(DegradationSpec())
    data = DegradedPhotographs(None, degradation, 2, crop=96, patch=64, pairs=files, paired_share=1.0)
    assert data.samples[0].lq is not None
    with pytest.raises(ValueError, match=r"^train: given nothing, wanted photographs to degrade, as paired_share=0$"):
        DegradedPhotographs(None, degradation, 2)


ENDING = """
import sys, lightning as L
from wildsr.data import Photographs
from wildsr.degradation import Degradation, DegradationSpec
from wildsr.networks import CompactNet
from wildsr.training import DegradedPhotographs, SuperResolution

class Failing(Photographs):
    def __getitem__(self, index):
        raise ArithmeticError("in a worker")

data = DegradedPhotographs(Failing(sys.argv[1]), Degradation(DegradationSpec()), 2, crop=64, patch=32, workers=2)
quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
L.Trainer(max_steps=1, accelerator="cpu", **quiet).fit(SuperResolution(CompactNet(4, features=4, convs=2)), data)
"""


def test_a_process_whose_workers_fail_ends(photographs):
    """Workers do not hear SIGTERM, by which Python would end them: it would wait for ever."""
    command = [sys.executable, "-c", ENDING, str(photographs)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert "ArithmeticError: in a worker" in ended.stderr


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


def test_validation_compares_with_the_photograph_itself(batch):
    one = Batch(batch.hq[:1], [batch.params[0].recipe])
    pair = validation_pair(one)
    assert torch.equal(pair.hq[0], to_float(batch.hq[0]))
    assert torch.equal(pair.lq[0], degrade(pair.hq[0], batch.params[0].recipe))


def made_mixed(photographs, pairs, **options):
    files = paired_folders(pairs / "lq", pairs / "hq", 4)
    return made(photographs, pairs=files, paired_share=0.5, batch_size=6, **options)


@pytest.fixture
def mixed(photographs, pairs):
    samples = made_mixed(photographs, pairs).samples
    assert isinstance(samples, MixedSamples)
    return samples


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


def test_mixed_batches_are_the_same_in_workers_and_on_the_device(photographs, pairs):
    results = []
    for workers, degrade_in in ((0, "device"), (2, "device"), (2, "worker")):
        data = attach(made_mixed(photographs, pairs, workers=workers, degrade_in=degrade_in), iteration=3)
        results.append(data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0))
    for pair in results[1:]:
        assert all(torch.equal(one, other) for one, other in zip(results[0], pair, strict=True))


def test_validation_takes_pairs_and_real_photographs_as_they_are(pairs):
    lq, hq = paired_folders(pairs / "lq", pairs / "hq", 4)[0]
    pair = validation_pair(Batch.collate([Item(hq, None, lq)]))
    assert torch.equal(pair.lq[0], to_float(lq)) and torch.equal(pair.hq[0], to_float(hq))
    pair = validation_pair(Batch.collate([Item(None, None, lq)]).to("cpu"))
    assert torch.equal(pair.lq[0], to_float(lq)) and pair.hq is None

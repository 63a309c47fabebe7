"""How an iteration is computed may be chosen by one word, and changed when a run goes on; what it sees stays."""

from itertools import pairwise

import pytest
import torch

from wildsr.building import build_module
from wildsr.config import compose_config, groups
from wildsr.training import SuperResolution

TINY = [
    "data=photos", "data.val=null", "stage=psnr", "generator=tiny", "data.crop=64", "data.patch=32",
    "data.batch_size=2", "stages.psnr.checkpoint_every=1",
]  # fmt: skip
CHOICES = {"accumulate": 3, "checkpoint_activations": True, "compile": True, "channels_last": True}


def test_each_choice_is_a_word_of_the_configuration():
    cfg = compose_config([*TINY, *(f"{key}={value}" for key, value in CHOICES.items())])
    assert {key: build_module(cfg, None).hparams[key] for key in CHOICES} == CHOICES
    plain = {"accumulate": 1, "checkpoint_activations": False, "compile": False, "channels_last": False}
    assert {key: build_module(compose_config(TINY), None).hparams[key] for key in CHOICES} == plain


def test_a_run_goes_on_computed_in_another_way(train, tmp_path):
    train([*TINY, "stages.psnr.iterations=1"], tmp_path)
    others = ["accumulate=2", "checkpoint_activations=true", "channels_last=true", "trainer.precision=bf16-mixed"]
    train([*TINY, *others, "stages.psnr.iterations=2"], tmp_path)
    train([*TINY, "memory=gpu_8gb", "stages.psnr.iterations=3"], tmp_path)
    last = torch.load(tmp_path / "psnr" / "checkpoints" / "last.ckpt", weights_only=True)
    assert last["iteration"] == last["global_step"] == 3


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("accumulate=0", r"^accumulate: given 0, wanted a whole number from 1"),
        ("compile=maybe", r"^compile: given maybe; choose from "),
        ("stages.psnr.clip_gradients=0", r"^stages\.psnr\.clip_gradients: given 0, wanted a number from"),
    ],
)
def test_an_impossible_choice_is_refused_in_one_line(train, override, words, tmp_path):
    with pytest.raises(ValueError, match=words) as caught:
        train([*TINY, override], tmp_path / "run")
    assert "\n" not in str(caught.value)


class Enough(Exception):  # noqa: N818 - it is no error
    pass


def test_the_pairs_do_not_depend_on_the_precision(train, tmp_path, monkeypatch):
    seen = []

    def stop(_, pair):
        seen.append(pair)
        raise Enough

    monkeypatch.setattr(SuperResolution, "generator_step", stop)
    for precision in ("32-true", "bf16-mixed"):
        with pytest.raises(Enough):
            train([*TINY, f"trainer.precision={precision}", "stages.psnr.iterations=1"], tmp_path / precision)
    full, half = seen
    assert {tensor.dtype for tensor in half} == {torch.float32}
    assert all(torch.equal(one, other) for one, other in zip(full, half, strict=True))


def test_memory_presets_divide_the_batch_and_leave_it_as_it_is():
    presets = [f"gpu_{size}gb" for size in (8, 12, 24)]
    assert sorted(groups()["memory"]) == sorted([*presets, "none"])
    experiment = "experiment=real_esrgan_plus"
    plain = compose_config([experiment])
    parts = []
    for preset in presets:
        cfg = compose_config([experiment, f"memory={preset}"])
        parts.append(cfg.accumulate)
        assert cfg.data == plain.data
        assert cfg.data.batch_size % cfg.accumulate == 0
        assert {key for key in cfg if cfg[key] != plain[key]} <= {"accumulate", "checkpoint_activations", "trainer"}
    assert all(smaller > larger > 1 for smaller, larger in pairwise(parts))
    assert compose_config([experiment, "memory=gpu_8gb", "accumulate=6"]).accumulate == 6

"""Files of other trainers: the same network from every form, bit for bit; what is none says so in one line."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from wildsr.networks import CompactNet, RRDBNet, SpandrelNet, UNetDiscriminator, adapt_weights, load_generator
from wildsr.networks import load_weights as load_into
from wildsr.networks.layouts import old_names, released_names

State = dict[str, Tensor]


def wrap(prefix: str, state: State) -> State:
    return {f"{prefix}{name}": tensor for name, tensor in state.items()}


def zeros(state: State) -> State:
    return {name: torch.zeros_like(tensor) for name, tensor in state.items()}


def bsrgan(state: State) -> State:
    words = {"conv_body": "trunk_conv", "conv_hr": "HRconv", "conv_up": "upconv"}
    words |= {"body.": "RRDB_trunk.", ".rdb": ".RDB"}
    return {functools.reduce(lambda name, pair: name.replace(*pair), words.items(), n): t for n, t in state.items()}


def profiled(state: State) -> State:
    layers = {name.rpartition(".")[0] for name in state}
    counts = {f"{layer}.{key}": torch.zeros(1).double() for layer in layers for key in ("total_ops", "total_params")}
    return state | counts | {"total_ops": torch.zeros(1), "total_params": torch.zeros(1)}


FORMS: dict[str, Callable[[State], Any]] = {
    "bare": lambda s: s,
    "params": lambda s: {"params": s},
    "state_dict": lambda s: {"epoch": 3, "state_dict": s, "optimizer": {"state": {0: {"exp_avg": torch.ones(1)}}}},
    "state_dict_module": lambda s: {"state_dict": wrap("module.", s)},
    "compiled": lambda s: wrap("_orig_mod.", s),
    "compiled_in_params": lambda s: {"params_ema": wrap("_orig_mod.", s)},
    "module_compiled": lambda s: wrap("module._orig_mod.", s),
    "compiled_module": lambda s: wrap("_orig_mod.module.", s),
    "netG_prefix": lambda s: wrap("netG.", s),
    "net_g_key": lambda s: {"net_g": s, "net_d": UNetDiscriminator(features=2).state_dict()},
    "generator_key": lambda s: {"generator": s, "discriminator": UNetDiscriminator(features=2).state_dict()},
    "model_prefix": lambda s: {"state_dict": wrap("model.", s)},
    "model_key": lambda s: {"model": s, "iter": 5},
    "an_own_key": lambda s: {"my_experiment": s},
    "weights_net_g": lambda s: {"state_dict": wrap("net_g.", s) | wrap("net_d.", {"conv0.weight": torch.ones(2)})},
    "profiler": profiled,
    "counters": lambda s: {"n_averaged": torch.tensor(5), "num_batches": torch.tensor(5)} | wrap("module.", s),
    "first_code": old_names,
    "first_code_module": lambda s: wrap("module.", old_names(s)),
    "first_code_state_dict": lambda s: {"state_dict": old_names(s)},
    "second_code": bsrgan,
    "double": lambda s: {name: tensor.double() for name, tensor in s.items()},
    "ema": lambda s: {"ema": s, "model": zeros(s)},
    "params_ema": lambda s: {"params": zeros(s), "params_ema": s},
    "generator_ema": lambda s: {"generator": zeros(s), "generator_ema": s},
    "net_g_ema": lambda s: {"net_g": zeros(s), "net_g_ema": s, "net_d": UNetDiscriminator(features=2).state_dict()},
    "g_ema": lambda s: {"g": zeros(s), "g_ema": s},
    "model_ema": lambda s: {"state_dict": zeros(s), "state_dict_ema": s},
    "ema_module": lambda s: {"state_dict": wrap("net_g.", zeros(s)) | wrap("ema.module.", s)},
    "ema_online": lambda s: wrap("ema.online_model.", zeros(s)) | wrap("ema.ema_model.", s) | {"step": torch.ones(1)},
}
AVERAGED = [name for name in FORMS if "ema" in name]


@pytest.fixture
def network() -> RRDBNet:
    torch.manual_seed(0)
    return RRDBNet(4, 3, 4, 2, 2).eval()


def image(network: nn.Module) -> Tensor:
    with torch.no_grad():
        return network(torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(1)))


@pytest.mark.parametrize("form", FORMS)
def test_every_trainers_file_upscales_and_starts_as_the_plain_one(
    form: str, network: RRDBNet, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "wildsr")
    torch.save(FORMS[form](network.state_dict()), tmp_path / "a.pth")
    assert torch.equal(image(load_generator(tmp_path / "a.pth")), image(network))
    said = caplog.text
    start = RRDBNet(4, 3, 4, 2, 2).eval()
    report = adapt_weights(start, tmp_path / "a.pth")
    assert torch.equal(image(start), image(network))
    assert report.startswith(f"all {len(network.state_dict())} tensors taken from ")
    for text in (said, report):
        assert ("the averaged weights, not" in text) == (form in AVERAGED)


def test_the_averaged_weights_taken_are_named_with_the_raw_ones(network: RRDBNet, tmp_path: Path, caplog) -> None:
    caplog.set_level(logging.INFO, "wildsr")
    torch.save(FORMS["net_g_ema"](network.state_dict()), tmp_path / "a.pth")
    load_generator(tmp_path / "a.pth")
    assert caplog.messages == [f"{tmp_path / 'a.pth'}: net_g_ema, the averaged weights, not net_g"]


def test_flat_safetensors_and_odd_suffixes_are_read_by_their_content(network: RRDBNet, tmp_path: Path) -> None:
    state = network.state_dict()
    safetensors.torch.save_file(wrap("params_ema.", state) | wrap("params.", zeros(state)), tmp_path / "a.safetensors")
    for name in ("pytorch_model.bin", "net_g.pth.tar", "no_suffix", "net_g_5000.PTH"):
        torch.save(state, tmp_path / name)
    safetensors.torch.save_file(state, tmp_path / "misnamed.pth")
    for file in tmp_path.iterdir():
        assert torch.equal(image(load_generator(file)), image(network)), file


def test_several_networks_without_a_word_for_the_wanted_one_are_refused(network: RRDBNet, tmp_path: Path) -> None:
    torch.save({"teacher": network.state_dict(), "student": network.state_dict()}, tmp_path / "a.pth")
    with pytest.raises(ValueError, match=r"a\.pth: several networks in it \(teacher, student\); save the one"):
        load_generator(tmp_path / "a.pth")


def test_a_compact_network_and_a_discriminator_are_found_likewise(tmp_path: Path) -> None:
    torch.manual_seed(0)
    compact, discriminator = CompactNet(2, 3, 4, 2).eval(), UNetDiscriminator(features=2)
    content = wrap("net_g._orig_mod.", compact.state_dict()) | wrap("net_d.module.", discriminator.state_dict())
    torch.save({"state_dict": content}, tmp_path / "a.ckpt")
    assert torch.equal(image(load_generator(tmp_path / "a.ckpt")), image(compact))
    other = UNetDiscriminator(features=2)
    load_into(other, tmp_path / "a.ckpt")
    assert all(map(torch.equal, other.state_dict().values(), discriminator.state_dict().values()))


def test_older_names_and_released_ones_are_each_others_reverse() -> None:
    for scale in (4, 8):
        state = RRDBNet(scale, 3, 4, 2, 2).state_dict()
        older = old_names(state)
        assert older["model.0.weight"] is state["conv_first.weight"]
        assert older["model.1.sub.2.bias"] is state["conv_body.bias"]
        assert older["model.1.sub.1.RDB3.conv5.0.weight"] is state["body.1.rdb3.conv5.weight"]
        last = 10 if scale == 4 else 13  # first, trunk, (enlargement, layer, ReLU) a step from 2 on, layer, ReLU, last
        assert older[f"model.{last}.bias"] is state["conv_last.bias"]
        assert {name: id(tensor) for name, tensor in released_names(older).items()} == {
            name: id(tensor) for name, tensor in state.items()
        }


@pytest.mark.parametrize("names", ["first", "second", "released"])
@pytest.mark.parametrize("kind", ["plus", "x16", "x2_in_one_step", "x1_without_a_step"])
def test_esrgan_plus_and_other_depths_go_to_spandrel_from_any_names(kind: str, names: str, tmp_path: Path) -> None:
    architectures = pytest.importorskip("spandrel.architectures.ESRGAN")
    torch.manual_seed(0)
    scale = {"plus": 4, "x16": 16, "x2_in_one_step": 2, "x1_without_a_step": 1}[kind]
    theirs = architectures.ESRGAN(num_filters=8, num_blocks=2, scale=scale, plus=kind == "plus").eval()
    state = theirs.state_dict()
    if names != "first":
        state = released_names(state)
        assert "conv_first.weight" in state and "conv_hr.bias" in state
    torch.save(bsrgan(state) if names == "second" else state, tmp_path / "a.pth")
    loaded = load_generator(tmp_path / "a.pth")
    assert isinstance(loaded, SpandrelNet) and loaded.scale == scale
    assert torch.equal(image(loaded), image(theirs).clamp(0, 1))


class Other(nn.Module):
    """A module as a whole, pickled."""


def script(path: Path) -> None:
    torch.jit.trace(nn.Conv2d(3, 3, 3), torch.rand(1, 3, 8, 8)).save(str(path))  # type: ignore[no-untyped-call]


def cut(path: Path) -> None:
    torch.save({"a": torch.zeros(1000)}, path)
    path.write_bytes(path.read_bytes()[:2000])


NO_WEIGHTS: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "lfs": (
        "a.pth",
        lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 67040989\n"),
        "a Git-LFS pointer, not the file itself; git lfs pull brings that",
    ),
    "lfs_safetensors": (
        "a.safetensors",
        lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\n"),
        "a Git-LFS pointer",
    ),
    "page": ("a.pth", lambda path: path.write_text("\n<!DOCTYPE html><html>"), "a web page, not weights; download"),
    "script": ("a.pt", script, r"a TorchScript program, .* save the network's state_dict\(\) instead"),
    "module": (
        "a.pth",
        lambda path: torch.save(Other(), path),
        r"refused; .*\.Other\); where .* state_dict\(\) instead",
    ),
    "basicsr_state": (
        "5000.state",
        lambda path: torch.save({"epoch": 1, "iter": 5, "optimizers": [], "schedulers": []}, path),
        "no weights in it, but epoch, iter, optimizers and 1 more; a training state, wanted the weights",
    ),
    "optimizer": (
        "a.ckpt",
        lambda path: torch.save({"epoch": 1, "optimizer_states": [{"state": {0: torch.ones(1)}}]}, path),
        "no weights in it, but epoch, optimizer_states; a training state",
    ),
    "optimizer_dict": (
        "a.pth",
        lambda path: torch.save({"optimizer": {"state": {0: {"exp_avg": torch.ones(1)}}}}, path),
        "no weights in it, but optimizer; a training state",
    ),
    "onnx": ("a.onnx", lambda path: path.write_bytes(b"\x08\x07"), "an ONNX graph, made to be run; wanted the weights"),
    "onnx_pth": ("a.pth", lambda path: path.write_bytes(b"\x08\x07\x12\x07pytorch"), "an ONNX graph, made to be run"),
    "empty": ("a.pth", lambda path: path.write_bytes(b""), "an empty file; download or copy it again"),
    "cut": ("a.pth", cut, "cut short after 2000 bytes, without the end of a checkpoint; download or copy it again"),
}


@pytest.mark.parametrize("kind", NO_WEIGHTS)
def test_what_holds_no_weights_says_what_it_is_and_what_to_do(kind: str, tmp_path: Path) -> None:
    name, make, message = NO_WEIGHTS[kind]
    make(tmp_path / name)
    for read in (load_generator, lambda path: adapt_weights(RRDBNet(4, 3, 4, 1, 2), path)):
        with pytest.raises(ValueError, match=rf"{name}: .*{message}|{name}: {message}") as error:
            read(tmp_path / name)
        assert len(str(error.value).splitlines()) == 1

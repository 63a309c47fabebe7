"""What only a GPU can show of how an iteration is computed; these tests run where there is one: pytest -m gpu."""

import pytest
import torch

from wildsr.networks import RRDBNet, UNetDiscriminator

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.fixture(autouse=True)
def exact(monkeypatch):
    """Convolutions in float32 itself, not in TF32, and the same ones each time."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)


def networks():
    torch.manual_seed(0)
    discriminator = UNetDiscriminator(features=8)
    torch.nn.init.ones_(discriminator.conv9.bias)  # decided: else the gradients of real and fake all but cancel
    return {"generator": RRDBNet(features=16, blocks=6, growth=8), "discriminator": discriminator, "device": "cuda"}


def iterate(module, batch):
    with module.trainer.precision_plugin.train_step_context():
        module.training_step(batch, 0)
    return module


def gradients(network):
    return torch.cat([p.grad.flatten() for p in network.parameters()])


def assert_near(one, other, tolerance):
    for name in ("generator", "discriminator"):
        given, wanted = gradients(getattr(one, name)), gradients(getattr(other, name))
        assert ((given - wanted).norm() / wanted.norm()).item() < tolerance, name


@pytest.mark.parametrize(
    "options",
    [{"accumulate": 3}, {"checkpoint_activations": True}, {"channels_last": True}, {"compile": True}],
    ids=lambda value: next(iter(value)),
)
def test_each_choice_gives_the_plain_gradients(gan, pair, options):
    plain = iterate(gan(**networks()), pair(4, "cuda"))
    assert_near(iterate(gan(**options, **networks()), pair(4, "cuda")), plain, 1e-4)


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
def test_mixed_precision_is_near_float32(gan, pair, precision):
    plain = iterate(gan(**networks()), pair(4, "cuda"))
    half = gan(trainer={"precision": precision}, **networks())
    if precision == "16-mixed":
        half.trainer.precision_plugin.scaler = torch.amp.GradScaler("cuda", init_scale=2.0**10)
    assert_near(iterate(half, pair(4, "cuda")), plain, 0.05)
    for name, value in half.scalars.items():
        assert value.dtype == torch.float32
        assert value.item() == pytest.approx(plain.scalars[name].item(), rel=0.05, abs=0.05), name


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_an_iteration_never_waits_for_the_device(gan, pair, precision):
    module, batch = gan(trainer={"precision": precision}, clip_gradients=1.0, **networks()), pair(4, "cuda")
    iterate(module, batch)
    torch.cuda.set_sync_debug_mode("error")
    try:
        iterate(module, batch)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def peak(gan, pair, **options):
    module, batch = gan(**networks(), **options), pair(8, "cuda")
    iterate(module, batch)
    torch.cuda.reset_peak_memory_stats()
    held = torch.cuda.memory_allocated()
    iterate(module, batch)
    return torch.cuda.max_memory_allocated() - held


@pytest.mark.parametrize("options", [{"accumulate": 4}, {"checkpoint_activations": True}])
def test_less_memory_is_taken(gan, pair, options):
    assert peak(gan, pair, **options) < 0.8 * peak(gan, pair)

"""What an iteration costs may be chosen; what it learns stays, but for rounding."""

import warnings
from contextlib import contextmanager, nullcontext

import pytest
import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.plugins import MixedPrecision
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from wildsr.networks import CompactNet, RRDBNet, UNetDiscriminator, load_weights, save_generator
from wildsr.networks.unet import SpectralNorm
from wildsr.training.accumulation import SpectralNorms
from wildsr.training.pairs import TrainingPair


def iterate(module, batch):
    """One iteration as the trainer calls it: inside autocast, where the precision has one."""
    with module.trainer.precision_plugin.train_step_context():
        module.training_step(batch, 0)
    return module


def gradients(network):
    return torch.cat([p.grad.flatten() for p in network.parameters()])


def vectors(network):
    return {name: tensor for name, tensor in network.named_buffers() if name.endswith(("._u", "._v"))}


def distance(one, other):
    """Of two vectors, relative to the second's length."""
    return ((one - other).norm() / other.norm()).item()


def assert_same_iteration(one, other, tolerance):
    """Gradients, spectral norms, losses and samples' losses of two modules after an iteration each."""
    for name in ("generator", "discriminator"):
        assert distance(gradients(getattr(one, name)), gradients(getattr(other, name))) < tolerance
    assert one.scalars.keys() == other.scalars.keys()
    for name, value in one.scalars.items():
        assert value.item() == pytest.approx(other.scalars[name].item(), rel=tolerance, abs=tolerance), name
    assert torch.allclose(one.sample_losses, other.sample_losses, atol=tolerance)
    spectral = vectors(other.discriminator)
    assert len(spectral) == 16
    assert all(torch.equal(tensor, spectral[name]) for name, tensor in vectors(one.discriminator).items())


@pytest.mark.parametrize("parts", [2, 3, 4, 9])
def test_micro_batches_add_up_to_the_gradients_of_the_whole_batch(gan, pair, parts):
    batch = [tensor.double() for tensor in pair(4)]  # so exact that nothing but rounding is let through
    whole = iterate(gan().double(), TrainingPair(*batch))
    divided = iterate(gan(accumulate=parts).double(), TrainingPair(*batch))
    assert_same_iteration(divided, whole, 1e-12)


def test_in_float32_they_add_up_but_for_rounding(gan, pair):
    whole, divided = gan(), gan(accumulate=3)
    for module in (whole, divided):
        decided(module)
        iterate(module, pair(4))
    assert_same_iteration(divided, whole, 2e-6)


def decided(module):
    """A discriminator that takes no image for half real: else the gradients of real and fake all but cancel."""
    nn.init.ones_(module.discriminator.conv9.bias)
    return module


def test_spectral_norms_that_advance_at_each_micro_batch_would_give_other_gradients(gan, pair, monkeypatch):
    whole = iterate(gan(), pair(4))
    monkeypatch.setattr(SpectralNorms, "hold_power_iteration", lambda *_: nullcontext())
    parts = iterate(gan(accumulate=4), pair(4))
    assert distance(gradients(parts.discriminator), gradients(whole.discriminator)) > 1e-3


class Products(TorchDispatchMode):
    """Notes the types of matrix-vector products."""

    def __init__(self):
        super().__init__()
        self.seen = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.overloadpacket.__name__ == "mv":
            self.seen.add(args[0].dtype)
        return func(*args, **kwargs or {})


@pytest.mark.parametrize("ours", [False, True])
def test_the_power_iteration_stays_in_float32_where_a_gpu_would_take_it_in_half(ours):
    with FakeTensorMode(), warnings.catch_warnings():  # tensors without values imitate the GPU
        warnings.filterwarnings("ignore", ".*CUDA is not available.*")
        with torch.device("cuda"):
            network, image = UNetDiscriminator(features=4), torch.empty(1, 3, 16, 16)
        if ours:
            SpectralNorms(network)
        torch.set_autocast_dtype("cuda", torch.float16)
        torch.set_autocast_enabled("cuda", True)
        try:
            with Products() as products:
                assert network(image).dtype == torch.float16
        finally:
            torch.set_autocast_enabled("cuda", False)
    assert products.seen == {torch.float32 if ours else torch.float16}


@pytest.mark.parametrize("parts", [1, 3])
def test_an_iteration_advances_the_power_iteration_three_times(gan, pair, parts):
    reference, divided = UNetDiscriminator(features=4), UNetDiscriminator(features=4)
    divided.load_state_dict(reference.state_dict())
    for layer in (getattr(reference, f"conv{i}") for i in range(1, 9)):
        for _ in range(3):
            layer.weight  # noqa: B018 - reading it in train mode advances it
    iterate(gan(discriminator=divided, accumulate=parts), pair(3))
    wanted = vectors(reference)
    assert all(torch.equal(tensor, wanted[name]) for name, tensor in vectors(divided).items())
    assert all(module.training for module in divided.modules())


def test_a_batch_norm_discriminator_is_the_exception(gan, pair):
    def with_batch_norm():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 1, 3))

    whole = iterate(gan(discriminator=with_batch_norm()), pair(4))
    parts = iterate(gan(discriminator=with_batch_norm(), accumulate=4), pair(4))
    assert distance(gradients(parts.discriminator), gradients(whole.discriminator)) > 1e-3


def test_processes_exchange_gradients_after_the_last_micro_batch_only(gan, pair, monkeypatch):
    exchanged = []
    toggle = LightningOptimizer.toggle_model

    @contextmanager
    def watched(self, sync_grad=True):
        exchanged.append(sync_grad)
        with toggle(self, sync_grad):
            yield

    monkeypatch.setattr(LightningOptimizer, "toggle_model", watched)
    iterate(gan(accumulate=3), pair(3))
    assert exchanged == [False, False, True] * 2  # the generator's step, the discriminator's


def test_samples_losses_are_those_of_each_image(gan, pair):
    module, batch = gan(accumulate=2), pair(3)
    with torch.no_grad():
        wanted = [(sr - hq).abs().mean() for sr, hq in zip(module.generator(batch.lq), batch.target_pixel, strict=True)]
    iterate(module, batch)
    assert torch.allclose(module.sample_losses, torch.stack(wanted))
    assert not module.sample_losses.requires_grad


def kept_bytes(network, image):
    """Bytes of the activations that a forward keeps for its backward."""
    weights = {p.untyped_storage().data_ptr() for p in network.parameters()}
    storages, kept = {}, []

    def pack(tensor):
        kept.append(tensor)  # alive, so that no storage is counted under another's address
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        network(image)
    return sum(storages.values())


def rrdb(blocks=6):
    torch.manual_seed(0)
    return RRDBNet(features=8, blocks=blocks, growth=4)


def compact():
    torch.manual_seed(0)
    return CompactNet(features=16, convs=16)


@pytest.mark.parametrize(("make", "most"), [(rrdb, 0.4), (compact, 0.75)])
def test_recomputed_activations_give_the_same_gradients_and_take_less_memory(gan, pair, make, most):
    plain, recomputed = gan(generator=make()), gan(generator=make(), checkpoint_activations=True)
    assert kept_bytes(recomputed.generator, pair().lq) < most * kept_bytes(plain.generator, pair().lq)
    batch = pair()
    for _ in range(2):
        iterate(plain, batch), iterate(recomputed, batch)
        assert_same_iteration(recomputed, plain, 1e-12)  # bit for bit, as far as float32 can say
    for one, other in zip(plain.parameters(), recomputed.parameters(), strict=True):
        assert torch.equal(one, other)


def test_recomputing_does_not_run_the_discriminator_again(gan, pair):
    module, passes = gan(checkpoint_activations=True), []
    norms = [m for m in module.discriminator.modules() if isinstance(m, SpectralNorm)]
    norms[0].register_forward_hook(lambda *_: passes.append(1))
    iterate(module, pair())
    assert len(passes) == 3


class Foreign(nn.Module):
    """Anyone's network: its blocks are in no `body`, and it draws random numbers."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList(nn.Conv2d(16, 16, 3, padding=1) for _ in range(8))
        self.first, self.last = nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(16, 48, 3, padding=1)

    def forward(self, lq):
        x = self.first(lq)
        for block in self.blocks:
            x = nn.functional.dropout(nn.functional.silu(block(x)), 0.1, self.training)
        return nn.functional.pixel_shuffle(self.last(x), 4)


def test_a_network_of_anyones_keeps_its_input_only_and_learns_the_same(gan, pair):
    torch.manual_seed(0)
    networks = [Foreign(), Foreign()]
    networks[1].load_state_dict(networks[0].state_dict())
    plain = gan(generator=networks[0])
    recomputed = gan(generator=networks[1], checkpoint_activations=True)
    assert kept_bytes(recomputed.generator, pair().lq) < 0.1 * kept_bytes(plain.generator, pair().lq)
    for module in (plain, recomputed):
        torch.manual_seed(1)
        iterate(module, pair())
    assert torch.equal(gradients(recomputed.generator), gradients(plain.generator))
    assert list(recomputed.state_dict()) == list(plain.state_dict())


@pytest.mark.parametrize("make", [rrdb, compact])
def test_names_and_files_of_weights_are_the_plain_ones(gan, make, tmp_path):
    plain = gan(generator=make())
    module = gan(generator=make(), checkpoint_activations=True, channels_last=True, compile=True)
    assert list(module.state_dict()) == list(plain.state_dict())
    assert [name for name, _ in module.named_parameters()] == [name for name, _ in plain.named_parameters()]
    save_generator(module.generator, tmp_path / "g.safetensors")
    load_weights(module.generator, tmp_path / "g.safetensors")
    load_weights(plain.generator, tmp_path / "g.safetensors")
    module.load_state_dict(plain.state_dict())


def test_channels_last_is_another_order_in_memory_and_the_same_iteration(gan, pair):
    module, plain = gan(generator=rrdb(), channels_last=True), gan(generator=rrdb())
    networks = nn.ModuleList([module.generator, module.discriminator, module.ema])
    for weight in (p for p in networks.parameters() if p.ndim == 4 and min(p.shape[1:]) > 1):
        assert weight.is_contiguous(memory_format=torch.channels_last)
    seen = []
    module.generator.register_forward_hook(lambda _, given, out: seen.extend((given[0], out)))
    assert_same_iteration(iterate(module, pair()), iterate(plain, pair()), 1e-5)
    assert all(image.is_contiguous(memory_format=torch.channels_last) for image in seen)


def test_bf16_is_near_float32(gan, pair):
    half = iterate(decided(gan(trainer={"precision": "bf16-mixed"})), pair())
    full = iterate(decided(gan()), pair())
    for name in ("generator", "discriminator"):
        assert 1e-4 < distance(gradients(getattr(half, name)), gradients(getattr(full, name))) < 0.03
        assert {p.dtype for p in getattr(half, name).parameters()} == {torch.float32}
    for name, value in half.scalars.items():
        assert value.dtype == torch.float32, name
        assert value.item() == pytest.approx(full.scalars[name].item(), rel=0.02, abs=0.02), name


def in_half(gan, **changes):
    """fp16 with loss scaling on the CPU, where Lightning's flag would choose bf16 instead."""
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    return gan(trainer={"plugins": [MixedPrecision("16-mixed", "cpu", scaler)]}, **changes), scaler


def test_fp16_scales_both_losses_and_unscales_both_gradients_before_they_are_clipped(gan, pair):
    full = iterate(decided(gan()), pair())
    half, scaler = in_half(gan, clip_gradients=1e-3)
    iterate(decided(half), pair())
    assert scaler.get_scale() == 2.0**10  # nothing overflowed
    for name in ("generator", "discriminator"):
        norm = gradients(getattr(full, name)).norm()
        assert half.scalars[f"grad_norm/{name}"].item() == pytest.approx(norm.item(), rel=0.02)
        clipped = gradients(getattr(half, name))
        assert clipped.norm().item() == pytest.approx(min(1e-3, norm.item()), rel=0.02)
        assert distance(clipped / clipped.norm(), gradients(getattr(full, name)) / norm) < 0.03


def test_fp16_skips_the_step_of_the_network_that_overflowed_and_lowers_the_scale(gan, pair):
    module, scaler = in_half(gan)
    generator = [p.clone() for p in module.generator.parameters()]
    discriminator = [p.clone() for p in module.discriminator.parameters()]
    module.generator.body[0].weight.register_hook(lambda grad: grad * torch.inf)
    iterate(module, pair())
    assert all(torch.equal(a, b) for a, b in zip(generator, module.generator.parameters(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(discriminator, module.discriminator.parameters(), strict=True))
    assert scaler.get_scale() == 2.0**9


def test_a_gradient_is_clipped_as_torch_clips_it(gan):
    module = gan(clip_gradients=0.5)
    for network, optimizer, length in zip(
        (module.generator, module.discriminator), module.optimizers(), (3.0, 0.25), strict=True
    ):
        parameters = list(network.parameters())
        count = sum(p.numel() for p in parameters)
        reference = [nn.Parameter(p.detach().clone()) for p in parameters]
        for parameter, other in zip(parameters, reference, strict=True):
            parameter.grad = torch.full_like(parameter, length / count**0.5)
            other.grad = parameter.grad.clone()
        nn.utils.clip_grad_norm_(reference, 0.5)
        optimizer.step()
        assert all(torch.equal(p.grad, other.grad) for p, other in zip(parameters, reference, strict=True))
        assert gradients(network).norm().item() == pytest.approx(min(length, 0.5), rel=1e-4)
    norms = module.gradient_norms
    assert norms["grad_norm/generator"].item() == pytest.approx(3, rel=1e-4)
    assert norms["grad_norm/discriminator"].item() == pytest.approx(0.25, rel=1e-4)


class ReadsBack(TorchDispatchMode):
    """Notes every value that is read back from a tensor, for which a GPU would be waited for."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.overloadpacket.__name__ in ("_local_scalar_dense", "nonzero", "equal"):
            self.seen.append(func)
        return func(*args, **kwargs or {})


@pytest.mark.parametrize("options", [{}, {"accumulate": 2, "checkpoint_activations": True, "channels_last": True}])
def test_an_iteration_never_waits_for_the_device(gan, pair, options, monkeypatch):
    module = gan(**options, clip_gradients=1.0)
    iterate(module, pair())
    monkeypatch.setattr(torch.optim.Adam, "step", lambda *_, **__: None)  # on a CPU it reads its own counters
    with ReadsBack() as reads:
        iterate(module, pair())
    assert reads.seen == []


@pytest.mark.slow
@pytest.mark.parametrize("more", [{}, {"accumulate": 2, "checkpoint_activations": True, "channels_last": True}])
def test_compiled_is_near_eager(gan, pair, more):
    eager, compiled = gan(generator=rrdb(2)), gan(generator=rrdb(2), compile=True, **more)
    forwards = [network._compiled_call_impl for network in (compiled.generator, compiled.discriminator)]
    assert None not in forwards
    assert compiled.ema.module._compiled_call_impl is None
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    iterate(eager, pair()), iterate(compiled, pair())
    for name in ("generator", "discriminator"):
        assert distance(gradients(getattr(compiled, name)), gradients(getattr(eager, name))) < 1e-5
    wanted = vectors(eager.discriminator)
    for name, tensor in vectors(compiled.discriminator).items():
        assert torch.allclose(tensor, wanted[name], atol=1e-5)
    assert not torch._dynamo.utils.counters["graph_break"]

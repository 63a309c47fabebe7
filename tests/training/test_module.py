import math

import pytest
import torch
import torch.nn.functional as F

from wildsr.networks import CompactNet, UNetDiscriminator
from wildsr.training import LossSpec, SuperResolution


def state(network):
    return {name: tensor.clone() for name, tensor in network.named_parameters()}


def equal(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def test_the_generators_step_leaves_the_discriminator_alone_and_the_reverse(gan, pair):
    module, batch = gan(), pair()
    g, d = state(module.generator), state(module.discriminator)
    sr, _ = module.generator_step(batch)
    assert not equal(g, state(module.generator))
    assert equal(d, state(module.discriminator))
    assert all(p.grad is None for p in module.discriminator.parameters())
    g = state(module.generator)
    module.discriminator_step(sr.detach(), batch.target_adversarial)
    assert equal(g, state(module.generator))
    assert not equal(d, state(module.discriminator))


def test_each_loss_has_its_own_target(gan, pair):
    module, batch = gan(), pair()
    sr = torch.rand(2, 3, 32, 32)
    terms = module.generator_losses(sr, batch)
    assert terms["pixel"].item() == F.l1_loss(sr, batch.target_pixel).item()
    assert terms["perceptual"].item() == pytest.approx(3 * F.l1_loss(sr, batch.target_perceptual).item())
    module.discriminator.eval()  # no power iteration between the two
    terms = module.generator_losses(sr, batch)
    assert terms["adversarial"].item() == pytest.approx(F.softplus(-module.discriminator(sr)).mean().item())


def test_the_generators_gradient_is_the_weighted_sum_of_its_terms(gan, pair):
    weights = {"pixel": 0.5, "perceptual": 2.0, "adversarial": 0.3}
    module, batch = gan(weights=weights), pair()
    module.discriminator(batch.target_pixel)  # fresh vectors are random: one forward makes them an estimate
    module.discriminator.eval()
    expected = {name: torch.zeros_like(p) for name, p in module.generator.named_parameters()}
    for term, weight in weights.items():
        loss = module.generator_losses(module.generator(batch.lq), batch)[term]
        grads = torch.autograd.grad(loss, list(module.generator.parameters()))
        for name, grad in zip(expected, grads, strict=True):
            expected[name] += weight * grad
    module.generator_step(batch)
    for name, parameter in module.generator.named_parameters():
        assert torch.allclose(parameter.grad, expected[name], atol=1e-7)


def test_the_discriminators_loss_is_the_unweighted_sum_for_real_and_fake(gan, pair):
    module, batch = gan(), pair()
    module.discriminator.eval()
    real, fake = batch.target_adversarial, torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        wanted = F.softplus(-module.discriminator(real)).mean() + F.softplus(module.discriminator(fake)).mean()
    scalars = module.discriminator_step(fake, real)
    assert scalars["loss/discriminator"].item() == pytest.approx(wanted.item(), rel=1e-6)


def test_the_average_follows_its_formula_from_the_initial_weights(gan, pair):
    module, batch = gan(), pair()
    average = state(module.generator)
    for _ in range(3):
        module.training_step(batch, 0)
        now = state(module.generator)
        average = {name: 0.999 * average[name] + 0.001 * now[name] for name in now}
    for name, parameter in module.ema.module.named_parameters():
        assert torch.allclose(parameter, average[name], atol=1e-7)
        assert not parameter.requires_grad
    assert module.iteration == 3


def test_adams_settings_are_the_stages(gan):
    module = gan()
    for optimizer in module.configure_optimizers():
        group = optimizer.param_groups[0]
        assert (group["lr"], group["betas"], group["weight_decay"]) == (2e-4, (0.9, 0.99), 0)


def test_a_stage_and_a_discriminator_belong_together(stage):
    with pytest.raises(ValueError, match="takes no discriminator"):
        SuperResolution(CompactNet(), UNetDiscriminator(), None, LossSpec(), stage(losses=("pixel",)))
    with pytest.raises(ValueError, match="wants a discriminator"):
        SuperResolution(CompactNet(), None, None, LossSpec(), stage())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"iterations": 0}, r"^iterations: given 0, wanted a whole number from 1"),
        ({"iterations": 2.5}, r"^iterations: given 2\.5"),
        ({"losses": ("pixle",)}, r"^losses: given 'pixle', wanted one of pixel, perceptual, adversarial"),
        ({"losses": ()}, "^losses: given"),
        ({"lr": "fast"}, r"^lr: given 'fast', wanted a number from 0 to 1"),
        ({"lr": math.nan}, r"^lr: given nan"),
        ({"betas": (0.9, 1.0)}, r"^betas: given 1\.0"),
        ({"ema_decay": 1}, r"^ema_decay: given 1"),
    ],
)
def test_an_impossible_stage_is_refused(changes, words, stage):
    with pytest.raises(ValueError, match=words):
        stage(**changes)


def test_a_short_stage_is_one_epoch(stage):
    assert stage(iterations=2).epoch == 2


def test_a_negative_weight_is_refused():
    with pytest.raises(ValueError, match=r"^adversarial: given -1"):
        LossSpec(adversarial=-1)

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from wildsr.losses import AdversarialLoss, L1Loss, Term, released_losses
from wildsr.networks import CompactNet, UNetDiscriminator
from wildsr.training import SuperResolution


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


def test_one_optimizer_a_network_is_made_as_the_released_ones_are(gan):
    for optimizer in gan().configure_optimizers()[0]:
        group = optimizer.param_groups[0]
        assert (group["lr"], group["betas"], group["weight_decay"]) == (1e-4, (0.9, 0.99), 0)


def test_the_discriminators_parameters_want_no_gradient_in_the_generators_step(gan, pair):
    module, seen = gan(), []
    module.discriminator.register_forward_hook(
        lambda network, *_: seen.append({p.requires_grad for p in network.parameters()})
    )
    module.training_step(pair(), 0)
    assert seen == [{False}, {True}, {True}]  # of the generator's images for the generator; of real and fake ones


def test_losses_and_a_discriminator_belong_together():
    with pytest.raises(ValueError, match=r"^losses pixel: none is adversarial, wanted no discriminator"):
        SuperResolution(CompactNet(), UNetDiscriminator())
    with pytest.raises(ValueError, match=r"^losses\.adversarial: wants a discriminator, and none is given"):
        SuperResolution(CompactNet(), losses=released_losses(perceptual=0))


class Counted(nn.Module):
    """A term that counts its calls."""

    def __init__(self, weight, target="pixel"):
        super().__init__()
        self.weight, self.target, self.calls = weight, target, 0

    def forward(self, sr, target):
        self.calls += 1
        return (sr - target).square().mean()


def test_a_term_of_weight_0_is_not_computed(pair):
    torch.manual_seed(0)
    terms = {"pixel": L1Loss(), "squared": Counted(0.0)}
    losses = SuperResolution(CompactNet(4, features=4, convs=2), losses=terms).generator_losses(
        pair().target_perceptual, pair()
    )
    assert set(losses) == {"pixel"}
    assert terms["squared"].calls == 0


def test_an_adversarial_term_of_weight_0_still_teaches_the_discriminator(gan, pair):
    module = gan(weights={"adversarial": 0.0})
    before = state(module.discriminator)
    module.training_step(pair(), 0)
    assert not equal(before, state(module.discriminator))
    assert "loss/adversarial" not in module.scalars
    assert "loss/discriminator" in module.scalars


def test_another_adversarial_loss_is_that_of_both_networks(gan, pair):
    class Hinge:  # no module, and of another file
        weight, target = 0.5, "pixel"

        def __call__(self, fake_logits):
            return -fake_logits.mean()

        def discriminator_loss(self, real_logits, fake_logits):
            return F.relu(1 - real_logits).mean() + F.relu(1 + fake_logits).mean()

    torch.manual_seed(0)
    module = SuperResolution(gan().generator, gan().discriminator, {"hinge": Hinge()})
    batch = pair()
    module.discriminator.eval()
    with torch.no_grad():
        fake = module.discriminator(batch.target_perceptual)
        real = module.discriminator(module.objective.real_images(batch))
        losses = module.generator_losses(batch.target_perceptual, batch)
    assert torch.equal(module.objective.real_images(batch), batch.target_pixel)
    assert losses["hinge"].item() == -fake.mean().item()
    assert module.objective.weighted_sum(losses).item() == -0.5 * fake.mean().item()
    wanted = F.relu(1 - real).mean() + F.relu(1 + fake).mean()
    assert module.objective.discriminator_loss(real, fake).item() == wanted.item()


def test_a_term_that_needs_the_average_is_given_its_output_and_others_do_not_cause_it(pair):
    class Instability(nn.Module):
        weight, target, needs_average = 1.0, "perceptual", True

        def forward(self, sr, target, averaged):
            assert not averaged.requires_grad
            return (sr - averaged).abs().mean() + target.mean()

    torch.manual_seed(0)
    batch, calls = pair(), []
    for losses in ({"pixel": L1Loss()}, {"instability": Instability()}):
        module = SuperResolution(CompactNet(4, features=4, convs=2), losses=losses)
        module.ema.module.register_forward_hook(lambda *_: calls.append(1))
        sr = module.generator(batch.lq)
        found = module.generator_losses(sr, batch)
    assert len(calls) == 1  # of the second; at the start the average is the generator
    assert found["instability"].item() == pytest.approx(batch.target_perceptual.mean().item())
    module.ema.module.body[0].bias.add_(1)
    wanted = (sr - module.ema.module(batch.lq)).abs().mean() + batch.target_perceptual.mean()
    assert module.generator_losses(sr, batch)["instability"].item() == pytest.approx(wanted.item())


def test_terms_are_frozen_and_move_with_the_module():
    term = Term(nn.Conv2d(3, 1, 1), 0.0)
    module = SuperResolution(CompactNet(), losses={"pixel": L1Loss(), "learned": term})
    assert not any(parameter.requires_grad for parameter in term.parameters())
    module.double()
    assert {parameter.dtype for parameter in term.parameters()} == {torch.float64}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ema_decay": 1}, r"^ema_decay: given 1"),
        ({"accumulate": 0}, r"^accumulate: given 0, wanted a whole number from 1"),
        ({"clip_gradients": 0}, r"^clip_gradients: given 0, wanted a number from"),
        ({"losses": {}}, r"^losses: given nothing, wanted a term at least"),
        ({"losses": {"pixel": L1Loss(-1.0)}}, r"^losses\.pixel\.weight: given -1\.0, wanted a number from 0"),
        ({"losses": {"pixel": L1Loss(math.nan)}}, r"^losses\.pixel\.weight: given nan"),
        ({"losses": {"pixel": nn.L1Loss()}}, r"^losses\.pixel\.weight: given nothing"),
        (
            {"losses": {"pixel": L1Loss(target="pixle")}},
            r"^losses\.pixel\.target: given 'pixle'; choose from pixel, ",
        ),
        ({"losses": {"pixel": L1Loss(0.0)}}, r"^losses pixel: each weighs 0, wanted one at least"),
        ({"compile": "maybe"}, r"^compile: given 'maybe'; choose from true, false"),
        ({"losses": {"discriminator": L1Loss()}}, r"^losses\.discriminator: the discriminator's own loss"),
        (
            {"losses": {"a": AdversarialLoss(), "b": AdversarialLoss()}},
            r"^losses: given a and b, wanted one adversarial",
        ),
    ],
)
def test_an_impossible_module_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        SuperResolution(CompactNet(), **changes)

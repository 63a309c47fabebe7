import pytest
import torch
import torchvision
from torch import nn
from torchmetrics.functional.image import dists, learned_perceptual_image_patch_similarity
from torchvision.models import alexnet, vgg16

from wildsr.metrics import learned
from wildsr.metrics.learned import LearnedDistance, learned_network


def seeded(make):
    """A torchvision network's features with seeded random weights, quickly; its classifier stays empty."""

    def build(weights=None):
        with torch.device("meta"):
            network = make()
        network.features.to_empty(device="cpu")
        generator = torch.Generator().manual_seed(0)
        for parameter in network.features.parameters():
            nn.init.normal_(parameter, std=0.05, generator=generator)
        return network

    return build


@pytest.fixture
def backbones(monkeypatch):
    monkeypatch.delenv("WILDSR_OFFLINE")
    monkeypatch.setattr(torchvision.models, "alexnet", seeded(alexnet))
    monkeypatch.setattr(dists, "vgg16", seeded(vgg16))
    learned_network.cache_clear()
    yield
    learned_network.cache_clear()


@pytest.fixture
def images():
    generator = torch.Generator().manual_seed(1)
    return [torch.randint(0, 256, (2, 3, 80, 72), generator=generator) / 255 for _ in range(2)]


def test_lpips_is_torchmetrics_own_inside_the_border(backbones, images):
    metric = LearnedDistance(learned_network("lpips"), border=4)
    metric.update(*images)
    sr, hq = (image[..., 4:-4, 4:-4] for image in images)
    wanted = [learned_perceptual_image_patch_similarity(sr[i : i + 1], hq[i : i + 1], normalize=True) for i in (0, 1)]
    assert metric.compute().item() == pytest.approx((sum(wanted) / 2).item(), rel=1e-5)
    assert metric.compute() > 0


def test_dists_is_torchmetrics_own_inside_the_border(backbones, images):
    metric = LearnedDistance(learned_network("dists"), border=4)
    metric.update(*images)
    sr, hq = (image[..., 4:-4, 4:-4] for image in images)
    wanted = dists.deep_image_structure_and_texture_similarity(sr, hq, reduction="mean")
    assert metric.compute().item() == pytest.approx(wanted.item(), rel=1e-5)


@pytest.mark.parametrize("name", ["lpips", "dists"])
def test_an_image_has_no_distance_from_itself_and_grey_counts_as_rgb(backbones, images, name):
    metric = LearnedDistance(learned_network(name))
    assert metric(images[0], images[0]).item() == pytest.approx(0, abs=1e-5)
    grey, other = (image[:, :1] for image in images)
    assert metric(grey, other).item() == pytest.approx(
        metric(grey.expand(-1, 3, -1, -1), other.expand(-1, 3, -1, -1)).item()
    )
    assert not any(parameter.requires_grad for parameter in metric.parameters())


def test_making_a_network_draws_no_random_number_that_a_run_would_miss(backbones):
    torch.manual_seed(0)
    wanted = torch.rand(1)
    torch.manual_seed(0)
    learned_network("dists")
    assert torch.equal(torch.rand(1), wanted)


def test_without_weights_one_line_says_so_once(monkeypatch, caplog):
    def offline(**_):
        raise OSError("<urlopen error [Errno -2] Name or service not known>")

    learned_network.cache_clear()
    monkeypatch.setattr(torch.hub, "_hub_dir", "nowhere")
    assert learned_network("dists") is None
    assert caplog.messages[0].startswith("dists is left out: no weights (not downloaded (WILDSR_OFFLINE=1)); put")
    caplog.clear()
    monkeypatch.delenv("WILDSR_OFFLINE")
    monkeypatch.setattr(learned, "LearnedPerceptualImagePatchSimilarity", offline)
    assert learned_network("lpips") is None
    assert learned_network("lpips") is None
    (said,) = caplog.messages
    assert said.startswith("lpips is left out: no weights (<urlopen error")
    assert "alexnet-owt-7be5be79.pth into" in said
    learned_network.cache_clear()


def test_a_figure_does_not_depend_on_what_a_run_trains_in():
    class Distance(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Conv2d(3, 4, 3)

        def forward(self, sr, hq):
            return (self.layer(sr) - self.layer(hq)).square().mean()

    torch.manual_seed(0)
    metric, (sr, hq) = LearnedDistance(Distance().requires_grad_(False)), torch.rand(2, 1, 3, 16, 16)
    plain = metric(sr=sr, hq=hq)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(metric(sr=sr, hq=hq), plain)

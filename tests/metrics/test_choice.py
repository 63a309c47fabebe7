import pytest
import torch

from wildsr.metrics import NIQE, PSNR, SSIM, choice, chosen_metrics
from wildsr.scores import METRICS


def test_metrics_come_by_name_in_the_order_given():
    found = chosen_metrics(["niqe", "ssim_rgb", "psnr_y"], border=4)
    assert list(found) == ["niqe", "ssim_rgb", "psnr_y"]
    assert isinstance(found["niqe"], NIQE)
    assert isinstance(found["ssim_rgb"], SSIM) and found["ssim_rgb"].channels == "rgb"
    assert isinstance(found["psnr_y"], PSNR) and found["psnr_y"].channels == "y"
    assert all(metric.border == 4 for metric in found.values())


def test_without_a_reference_only_niqe_remains():
    assert list(chosen_metrics(["psnr_y", "lpips", "niqe"], border=0, reference=False)) == ["niqe"]
    both = chosen_metrics(["niqe", "niqe_rgb2gray"], border=2, reference=False)
    assert [(metric.grey, metric.border) for metric in both.values()] == [("luma", 2), ("rgb2gray", 2)]


def test_what_cannot_be_had_is_left_out(monkeypatch):
    monkeypatch.setattr(choice, "learned_network", lambda name: torch.nn.Identity() if name == "lpips" else None)
    assert list(chosen_metrics(["lpips", "dists"], border=0)) == ["lpips"]


@pytest.mark.parametrize(
    ("given", "words"), [(["pnsr"], "'pnsr'; choose from psnr_y"), ("niqe", "wanted a list"), ([], "wanted a list")]
)
def test_an_unknown_metric_is_refused(given, words):
    with pytest.raises(ValueError, match=f"^metrics: given .*{words}"):
        chosen_metrics(given, border=0)


def test_every_metric_says_how_it_is_written():
    assert set(METRICS) == {"psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb", "lpips", "dists", "niqe", "niqe_rgb2gray"}

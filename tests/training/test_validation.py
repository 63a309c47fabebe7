import pytest
import torch
from torchmetrics.image import PeakSignalNoiseRatio

from wildsr.metrics import NIQE, PSNR
from wildsr.networks import CompactNet
from wildsr.training import validation
from wildsr.training.pairs import ValidationPair
from wildsr.training.validation import SetMetrics, needs_hq, upscale_batch


@pytest.fixture
def network():
    torch.manual_seed(0)
    return CompactNet(scale=4, features=4, convs=2).eval()


def test_large_images_are_upscaled_in_tiles_with_the_same_result(network, monkeypatch):
    lq = torch.rand(2, 3, 300, 20)
    with torch.inference_mode():
        whole = upscale_batch(network, lq)
        calls = []
        monkeypatch.setattr(validation, "LARGEST_WHOLE", 300 * 20 - 1)
        network.register_forward_hook(lambda *_: calls.append(1))
        tiled = upscale_batch(network, lq)
    assert len(calls) == 2 * 2  # 256 + 44 rows, two images
    assert torch.allclose(tiled, whole, atol=1e-6)
    assert whole.min() == 0 or whole.max() == 1  # some of it was clamped


def pair(hq=True):
    rng = torch.Generator().manual_seed(0)
    images = torch.rand(1, 3, 104, 104, generator=rng)
    return ValidationPair(torch.rand(1, 3, 26, 26, generator=rng), images if hq else None), images.flip(-1)


def test_real_photographs_have_the_metrics_that_need_no_hq():
    metrics = {"psnr_y": PSNR("y", 4), "niqe": NIQE(4)}
    for has_hq, names in ((True, {"val/psnr_y", "val/niqe"}), (False, {"val/niqe"})):
        given, sr = pair(has_hq)
        found = SetMetrics(metrics, given, sr)
        found.update(sr, given.hq)
        assert set(found.compute("val/")) == names


def test_a_real_set_without_a_metric_for_it_has_no_score():
    given, sr = pair(hq=False)
    found = SetMetrics({"psnr_y": PSNR("y", 4)}, given, sr)
    found.update(sr, None)
    assert found.compute("val/") == {}


def test_unless_told_otherwise_scores_are_taken_inside_a_border_of_the_scale():
    given, sr = pair()
    assert {metric.border for metric in SetMetrics(None, given, sr).metrics.values()} == {4}


def test_a_set_counts_its_own_images_only():
    given, sr = pair()
    metrics = {"psnr_y": PSNR("y", 4)}
    one, other = SetMetrics(metrics, given, sr), SetMetrics(metrics, given, sr)
    one.update(sr, given.hq)
    other.update(given.hq * 0.5, given.hq)
    assert one.compute("a/")["a/psnr_y"] != other.compute("b/")["b/psnr_y"]
    assert not metrics["psnr_y"].scores


def test_a_metric_is_asked_for_two_images_where_it_takes_two():
    assert needs_hq(PSNR()) and needs_hq(PeakSignalNoiseRatio(data_range=1.0)) and not needs_hq(NIQE())

import pytest
import torch

from wildsr.data import validation_set
from wildsr.networks import CompactNet
from wildsr.training import validation
from wildsr.training.validation import enlarged, set_metrics


@pytest.fixture
def network():
    torch.manual_seed(0)
    return CompactNet(scale=4, features=4, convs=2).eval()


def test_large_pictures_are_upscaled_in_tiles_with_the_same_result(network, monkeypatch):
    lq = torch.rand(2, 3, 300, 20)
    with torch.inference_mode():
        whole = enlarged(network, lq)
        calls = []
        monkeypatch.setattr(validation, "WHOLE", 300 * 20 - 1)
        network.register_forward_hook(lambda *_: calls.append(1))
        tiled = enlarged(network, lq)
    assert len(calls) == 2 * 2  # 256 + 44 rows, two pictures
    assert torch.allclose(tiled, whole, atol=1e-6)
    assert whole.min() == 0 or whole.max() == 1  # some of it was clamped


def test_each_set_has_its_own_names_and_real_photographs_only_niqe(pairs):
    sets = {
        "main": validation_set(4, hq=pairs / "hq"),
        "found": validation_set(4, lq=pairs / "lq", hq=pairs / "hq"),
        "phone": validation_set(4, lq=pairs / "lq"),
    }
    metrics = set_metrics(sets, ["psnr_y", "niqe"], 4, torch.device("cpu"))
    images = torch.rand(1, 3, 104, 104, generator=torch.Generator().manual_seed(0))
    for found, pictures in zip(metrics, sets.values(), strict=True):
        found.update(sr=images, hq=images.flip(-1) if pictures.has_hq else None)
    names = [set(found.compute()) for found in metrics]
    assert names == [{"val/psnr_y", "val/niqe"}, {"val/found/psnr_y", "val/found/niqe"}, {"val/phone/niqe"}]


def test_a_real_set_without_a_metric_for_it_has_no_figure(pairs):
    (found,) = set_metrics({"phone": validation_set(4, lq=pairs / "lq")}, ["psnr_y"], 4, torch.device("cpu"))
    found.update(sr=torch.rand(1, 3, 32, 32), hq=None)
    assert found.compute() == {}

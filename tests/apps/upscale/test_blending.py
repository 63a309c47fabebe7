import pytest
import torch

from wildsr.apps.upscale.blending import blend, compare
from wildsr.images.sheets import GAP
from wildsr.networks import CompactNet, RRDBNet
from wildsr.networks.eager import Eager


def seeded(seed, make=lambda: CompactNet(scale=2, features=4, convs=1)):
    torch.manual_seed(seed)
    return make().eval()


def test_weights_are_mixed_one_by_one():
    first, second = seeded(0), seeded(1)
    between = blend(first, second, 0.25)
    for name, weight in between.state_dict().items():
        expected = 0.75 * first.state_dict()[name] + 0.25 * second.state_dict()[name]
        assert torch.allclose(weight, expected, atol=1e-7)


def test_strength_0_is_the_first_network_and_1_the_second_and_neither_is_changed():
    first, second, lq = seeded(0), seeded(1), torch.rand(1, 3, 8, 8)
    before = [first(lq), second(lq)]
    assert torch.equal(blend(first, second, 0)(lq), before[0])
    assert torch.equal(blend(first, second, 1)(lq), before[1])
    blend(first, second, 0.5)
    assert torch.equal(first(lq), before[0])
    assert torch.equal(second(lq), before[1])


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (lambda: CompactNet(scale=2, features=4, convs=2), "CompactNet of 4 features, 2 convolutions"),
        (lambda: CompactNet(scale=2, features=8, convs=1), "8 features"),
        (lambda: RRDBNet(scale=2, features=4, blocks=1, growth=2), r"RRDBNet of 4 features, 1 blocks, growth 2 \(x2"),
    ],
)
def test_networks_that_differ_are_refused_in_one_line(other, words):
    with pytest.raises(ValueError, match=words) as caught:
        blend(seeded(0), seeded(1, other), 0.5)
    assert "wanted one architecture" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_pixel_unshuffling_network_is_not_taken_for_one_of_another_scale():
    # Both have the same names; only the first convolution differs.
    first, second = (RRDBNet(scale=scale, features=4, blocks=1, growth=2) for scale in (2, 1))
    with pytest.raises(ValueError, match="x1"):
        blend(first, second, 0.5)


def test_a_sheet_shows_the_input_and_each_strength():
    first, second = seeded(0), seeded(1)
    image, done = torch.rand(3, 60, 70), []
    page = compare(first, second, [0, 0.5, 1], image, Eager, lambda: done.append(1))
    assert page.width == 3 * 140 + 4 * GAP  # three columns
    assert page.height > 2 * 120  # two rows
    assert len(done) == 3

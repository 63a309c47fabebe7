import pytest
import torch

from wildsr.data import HardCases, PairedImages, Pairs, Photographs, RealImages, validation_set
from wildsr.degradation import DegradationSpec
from wildsr.images import read_image, to_channels


def test_synthetic_pairs_are_the_same_for_ever(photographs):
    pairs = Pairs(Photographs(photographs), DegradationSpec(scale=3), recipes=2)
    assert len(pairs) == 8
    assert [pairs[i].params for i in range(8)] == [pairs[i].params for i in range(8)]
    assert len({pairs[i].params.seed for i in range(8)}) == 8
    assert pairs[0].hq.shape == (3, 159, 192)  # the sides' largest multiples of 3
    assert [pairs.label(i) for i in (0, 1, 6)] == [("a.png", 0), ("a.png", 1), ("more/d.png", 0)]
    with pytest.raises(IndexError):
        pairs[8]


def test_what_is_given_decides_the_kind(pairs):
    synthetic = validation_set(4, hq=pairs / "hq", recipes=3)
    assert isinstance(synthetic, Pairs) and len(synthetic) == 12 and synthetic.has_hq
    paired = validation_set(4, lq=pairs / "lq", hq=pairs / "hq")
    assert isinstance(paired, PairedImages) and len(paired) == 4 and paired.has_hq
    real = validation_set(4, lq=str(pairs / "lq"))
    assert isinstance(real, RealImages) and len(real) == 4 and not real.has_hq
    with pytest.raises(ValueError, match="nothing given, wanted a folder as lq"):
        validation_set(4)


def test_paired_and_real_images_are_taken_as_they_are(pairs):
    paired = validation_set(4, lq=pairs / "lq", hq=pairs / "hq")
    real = validation_set(4, lq=pairs / "lq")
    lq, hq = (read_image(pairs / side / "b.png") for side in ("lq", "hq"))
    assert torch.equal(paired[1].lq, lq) and torch.equal(paired[1].hq, hq) and paired[1].params is None
    assert torch.equal(real[1].lq, lq) and real[1].hq is None
    assert paired.label(3) == ("more/d", 0) and real.label(3) == ("more/d.png", 0)
    assert paired.smallest()[0] == real.smallest()[0] == 160  # both in pixels of the upscaled image
    for images in (paired, real):
        for outside in (4, -1):
            with pytest.raises(IndexError):
                images[outside]


def test_the_hard_cases_are_six_small_grey_images_always_the_same():
    cases, again = HardCases(), HardCases()
    assert cases.names == ["page", "lines", "mesh", "brick", "drawing", "text"]
    for index in range(len(cases)):
        image = cases[index]
        assert torch.equal(image, again[index])
        assert image.dtype == torch.uint8 and max(image.shape) <= 256 and min(image.shape[1:]) >= 172
        assert torch.equal(image[0], image[1]) and torch.equal(image[0], image[2])
    assert cases.smallest()[0] == 172


def test_the_lines_have_the_periods_they_are_said_to_have():
    cases = HardCases()
    row = cases[cases.names.index("lines")][0, 0].float() / 255 - 0.5
    rises = [x for x in range(1, 256) if row[x - 1] < 0 <= row[x]]
    # The bars before x are the integral of 1 / (3 + 9 x / 256): ln 4 * 256 / 9 = 39.4 of them in 256 pixels.
    assert len(rises) == 39
    assert rises[1] - rises[0] in (3, 4) and rises[-1] - rises[-2] in (11, 12)


def test_one_channel_sets_of_every_kind_are_the_luma_of_their_images(pairs):
    for folders in ({"hq": pairs / "hq"}, {"lq": pairs / "lq", "hq": pairs / "hq"}, {"lq": pairs / "lq"}):
        colour, grey = validation_set(4, **folders), validation_set(4, **folders, channels=1)
        for one, other in zip((colour[i] for i in range(4)), (grey[i] for i in range(4)), strict=True):
            assert other.params == one.params
            for before, after in ((one.hq, other.hq), (one.lq, other.lq)):
                assert (after is None) == (before is None)
                assert after is None or torch.equal(after, to_channels(before, 1))

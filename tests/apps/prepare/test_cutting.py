import numpy as np
import pytest
from PIL import Image

from wildsr.apps.prepare import cutting
from wildsr.apps.prepare.cutting import Outcome, Task, copies, outputs, positions, prepare, squares, tally
from wildsr.apps.prepare.plan import Plan
from wildsr.apps.prepare.sources import DF2K_SCALES

RNG = np.random.default_rng(0)


def noise(height: int, width: int) -> np.ndarray:
    return RNG.integers(0, 256, (height, width, 3), dtype=np.uint8)


def read(path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.mode == "RGB"
        return np.array(image)


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (400, [0]),
        (401, [0, 1]),
        (599, [0, 199]),
        (600, [0, 200]),
        (601, [0, 200, 201]),
        (1356, [0, 200, 400, 600, 800, 956]),
        (2040, [0, 200, 400, 600, 800, 1000, 1200, 1400, 1600, 1640]),
    ],
)
def test_squares_begin_every_step_and_the_last_is_flush_with_the_border(length, expected):
    assert positions(length, 400, 200) == expected


def test_a_usual_image_of_div2k_gives_119_sub_images_by_hand():
    # 2040 x 1356: 10 columns, 6 rows. Copies: 1530 x 1017: 7, 5. 1020 x 678: 5, 3. 680 x 452: 3, 2. 601 x 400: 3, 1.
    assert copies(2040, 1356, DF2K_SCALES) == [
        ("", 2040, 1356),
        ("T0_", 1530, 1017),
        ("T1_", 1020, 678),
        ("T2_", 680, 452),
        ("T3_", 601, 400),
    ]
    assert tally(2040, 1356, Plan(scales=DF2K_SCALES)) == (4, 60 + 35 + 15 + 6 + 3, 0)


def test_the_shortest_edge_is_exact_for_any_image_and_never_enlarged():
    for width, height in [(2040, 648), (648, 2040), (401, 4000), (1999, 1333)]:
        assert min(copies(width, height, DF2K_SCALES)[-1][1:]) == 400
    assert copies(400, 900, DF2K_SCALES[3:]) == [("", 400, 900)]
    assert copies(2, 1, DF2K_SCALES) == [("", 2, 1), ("T0_", 1, 1), ("T1_", 1, 1), ("T2_", 1, 1)]


@pytest.mark.parametrize("size", [(16, 16), (17, 40), (39, 33), (100, 16), (15, 99), (3, 2)])
def test_every_pixel_is_in_a_sub_image_and_none_reaches_outside(size):
    width, height = size
    seen = np.zeros((height, width), dtype=int)
    boxes = [box for _, box in squares(width, height, Plan(16, 8))]
    for left, top, right, bottom in boxes:
        assert 0 <= left < right <= width and 0 <= top < bottom <= height
        seen[top:bottom, left:right] += 1
    assert seen.min() >= 1 and len(set(boxes)) == len(boxes)


def test_the_files_and_the_count_are_what_the_names_say(tmp_path):
    plan = Plan(16, 8, DF2K_SCALES[:3])
    Image.fromarray(noise(37, 50)).save(tmp_path / "a.png")
    assert prepare(Task("x/a.png", tmp_path / "a.png", tmp_path / "out", plan)) == Outcome(50, 37)
    found = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.png"))
    assert found == sorted(outputs("x/a.png", 50, 37, plan))
    smaller, cut, whole = tally(50, 37, plan)
    assert (smaller, cut + whole) == (3, len(found)) and whole == sum("whole" in name for name in found) == 1


def test_sub_images_are_the_images_pixels_exactly(tmp_path):
    pixels = noise(37, 50)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    prepare(Task("a.png", tmp_path / "a.png", tmp_path / "out", Plan(16, 8)))
    tops, lefts = [0, 8, 16, 21], [0, 8, 16, 24, 32, 34]
    corners = [(top, left) for top in tops for left in lefts]
    for number, (top, left) in enumerate(corners, 1):
        crop = read(tmp_path / "out" / "a_png" / f"s{number:03d}.png")
        assert np.array_equal(crop, pixels[top : top + 16, left : left + 16])
    assert len(list((tmp_path / "out" / "a_png").iterdir())) == 24


def test_smaller_copies_are_lanczos_and_small_ones_stay_whole(tmp_path):
    image = Image.fromarray(noise(40, 60))
    image.save(tmp_path / "a.png")
    prepare(Task("a.png", tmp_path / "a.png", tmp_path / "out", Plan(30, 15, DF2K_SCALES[:2])))
    expected = image.resize((45, 30), Image.Resampling.LANCZOS)
    assert np.array_equal(read(tmp_path / "out" / "a_png" / "T0_s002.png"), np.array(expected)[:, 15:45])
    expected = image.resize((30, 20), Image.Resampling.LANCZOS)
    assert np.array_equal(read(tmp_path / "out" / "a_png" / "T1_whole.png"), np.array(expected))


def test_an_image_without_a_plan_stays_as_it_is_to_the_byte(tmp_path):
    Image.fromarray(noise(20, 30)).save(tmp_path / "a.jpg")
    assert prepare(Task("val/a.jpg", tmp_path / "a.jpg", tmp_path / "out", None)) == Outcome(30, 20)
    assert (tmp_path / "out" / "val" / "a.jpg").read_bytes() == (tmp_path / "a.jpg").read_bytes()


def test_two_images_never_share_a_path():
    keys = ["a.png", "a.jpg", "a_png.png", "a/s001.png", "aT0.png", "a_png/s001.png", "T0_s001.png"]
    names = [name for key in keys for name in outputs(key, 100, 100, Plan(16, 8, DF2K_SCALES))]
    assert len(set(names)) == len(names)


def test_a_damaged_image_is_an_outcome_and_writes_nothing(tmp_path):
    Image.fromarray(noise(40, 60)).save(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:2000])
    outcome = prepare(Task("a.png", tmp_path / "a.png", tmp_path / "out", Plan(16, 8)))
    assert "a.png: not a readable image" in outcome.damaged and not (tmp_path / "out").exists()


def test_a_full_disk_is_no_damaged_image(tmp_path, monkeypatch):
    def full(path, write):
        raise OSError(28, "No space left on device")

    Image.fromarray(noise(40, 60)).save(tmp_path / "a.png")
    monkeypatch.setattr(cutting, "write_whole", full)
    with pytest.raises(OSError, match="No space left"):
        prepare(Task("a.png", tmp_path / "a.png", tmp_path / "out", Plan(16, 8)))


@pytest.mark.parametrize("wrong", [{"step": 401}, {"size": 100}, {"scales": (1,)}, {"scales": (0,)}])
def test_an_impossible_plan_is_refused(wrong):
    with pytest.raises(ValueError, match="wanted"):
        Plan(**wrong)

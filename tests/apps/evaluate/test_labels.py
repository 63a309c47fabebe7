"""Words that people read of methods and sets are the same wherever they stand."""

from wildsr.apps.evaluate.labels import (
    SetContent,
    content_of,
    contents_of,
    method_label,
    run_title,
    set_title,
    set_words,
)
from wildsr.data import HardCases, validation_set


def test_methods_are_called_as_papers_call_them():
    names = ("psnr stage", "gan stage", "third stage", "bicubic", "x.pth (start)")
    assert [method_label(name) for name in names] == [
        "PSNR stage", "GAN stage", "third stage", "bicubic", "x.pth (start)",
    ]  # fmt: skip


def test_a_job_of_a_multirun_bears_its_folder_and_a_trial_four_digits():
    assert run_title("quickstart", "quickstart") == "quickstart"
    assert run_title("abl", "ablation=no_sinc") == "abl / ablation=no_sinc"
    assert run_title("abl", "loss.adversarial.weight=0.21839018238") == "abl / loss.adversarial.weight=0.2184"


def test_images_are_counted_with_their_versions():
    assert content_of([("a", 0)]).note == "1 image"
    assert content_of((name, version) for name in "ab" for version in range(4)).note == "2 images × 4 versions"
    assert content_of([("a", 0), ("a", 1), ("b", 0)]).note == "2 images, 3 versions"
    assert content_of((str(name), 0) for name in range(700)) == SetContent(700, 1)


def test_a_set_of_few_images_names_them(photographs):
    assert content_of(map(validation_set(4, hq=photographs, recipes=3).label, range(12))) == SetContent(
        4, 3, ["a.png", "b.jpg", "c.webp", "more/d.png"]
    )
    hard = content_of(map(validation_set(4, hq=HardCases()).label, range(6)))
    assert set_words("hard", hard) == "page, lines, mesh, brick, drawing, text (hard)"


def test_a_small_set_is_called_by_what_is_in_it():
    rows = [{"set": "hard", "picture": name, "version": "0", "method": "bicubic"} for name in ("page", "mesh")]
    rows += [{"set": "main", "picture": "a.png", "version": version, "method": "bicubic"} for version in "012"]
    rows += [{"set": "phone", "picture": "b.png", "version": "0", "method": "bicubic"}]
    found = contents_of(rows)
    assert [set_title(name, content) for name, content in found.items()] == [
        "Page, mesh (hard)", "Validation images", "Set phone",
    ]  # fmt: skip
    assert [set_words(name, content) for name, content in found.items()] == [
        "page, mesh (hard)", "validation, 1 image × 3 versions", "phone, 1 image",
    ]  # fmt: skip
    assert [content.note for content in found.values()] == ["2 images", "1 image × 3 versions", "1 image"]
    assert set_title("large", SetContent(700, 1)) == "Set large"

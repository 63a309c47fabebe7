"""Words that people read are the field's, and the same wherever they stand."""

from wildsr.labels import image_title, order_label, stage_title


def test_stages_are_called_as_papers_call_them():
    assert [stage_title(name) for name in ("psnr", "gan", "third")] == ["PSNR stage", "GAN stage", "third stage"]


def test_orders_are_counted_as_papers_count_them():
    assert [order_label(name) for name in ("first", "second", "final", "mine")] == [
        "1st order", "2nd order", "final", "mine",
    ]  # fmt: skip


def test_the_first_version_of_an_image_needs_no_number():
    assert image_title("a.png") == "a.png"
    assert image_title("a.png", 1) == "a.png, version 2"
    assert image_title("text", 3, "hard") == "text (hard), version 4"

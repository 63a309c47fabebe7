import os
import re
from pathlib import Path

import pytest

from wildsr.apps.upscale.jobs import Naming, is_video, left_out, plan, plan_video, require_inputs


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """a.png, b c.jpg and ü.webp, and more/d.tif: a plan does not read them."""
    monkeypatch.chdir(tmp_path)
    photos = tmp_path / "photos"
    (photos / "more").mkdir(parents=True)
    for name in ["a.png", "b c.jpg", "ü.webp", "more/d.tif"]:
        (photos / name).write_bytes(b"")
    return photos


def pairs(inputs, *naming):
    return [(str(job.source), str(job.target)) for job in plan(inputs, Naming(*naming))]


def test_a_folder_keeps_its_sub_folders(folder):
    assert pairs(["photos"], "out") == [
        ("photos/a.png", "out/a.png"),
        ("photos/b c.jpg", "out/b c.png"),
        ("photos/more/d.tif", "out/more/d.png"),
        ("photos/ü.webp", "out/ü.png"),
    ]


def test_linked_images_keep_the_places_of_their_links(folder):
    Path("linked").mkdir()
    Path("linked/set").symlink_to(folder)
    Path("linked/one.png").symlink_to(folder / "a.png")
    Path("linked/gone.png").symlink_to("nowhere.png")
    targets = [target for _, target in pairs(["linked"], "out")]
    names = ["gone", "one", "set/a", "set/b c", "set/more/d", "set/ü"]
    assert targets == [f"out/{name}.png" for name in names]
    assert len(pairs(["linked/*.png"], "out")) == 2  # one that leads nowhere is named when it is its turn


def test_linked_results_of_an_earlier_run_are_no_input(folder):
    Path("out").mkdir()
    Path("out/a.png").write_bytes(b"")
    (folder / "results").symlink_to(Path("out").resolve())
    assert len(pairs(["photos"], "out")) == 4


def test_images_that_would_share_a_result_name_their_format(folder):
    for name in ("a.jpg", "a_jpg.png", "more/d.webp"):
        (folder / name).write_bytes(b"")
    assert pairs(["photos"], "out", None, "_x4") == [
        ("photos/a.jpg", "out/a_jpg_x4.png"),
        ("photos/a.png", "out/a_png_x4.png"),
        ("photos/a_jpg.png", "out/a_jpg_png_x4.png"),  # its own name is taken by then
        ("photos/b c.jpg", "out/b c_x4.png"),
        ("photos/more/d.tif", "out/more/d_tif_x4.png"),
        ("photos/more/d.webp", "out/more/d_webp_x4.png"),
        ("photos/ü.webp", "out/ü_x4.png"),
    ]


def test_without_an_output_a_result_lies_beside_its_image(folder):
    assert pairs(["photos/a.png", "photos/more"], None, "jpg", "_x4") == [
        ("photos/a.png", "photos/a_x4.jpg"), ("photos/more/d.tif", "photos/more/d_x4.jpg"),
    ]  # fmt: skip
    (folder / "a_x4.jpg").write_bytes(b"")
    assert "photos/a_x4.jpg" not in dict(pairs(["photos"], None, "jpg", "_x4"))
    assert pairs(["photos/a_x4.jpg"], None, None, "_x4") == [("photos/a_x4.jpg", "photos/a_x4_x4.png")]
    Path("a.mov").write_bytes(b"")
    assert plan_video(["a.mov"], Naming(None, None, "_x4")) == (Path("a.mov"), Path("a_x4.mov"), "mov")


def test_more_than_six_reasons_are_summed_up(folder):
    for number in range(9):
        (folder / f"{number}.t{number}").write_bytes(b"")
    (folder / "z.t0").write_bytes(b"")
    said = left_out(["photos"], plan(["photos"], Naming("out")))
    assert said == "2 .t0, 1 .t1, 1 .t2, 1 .t3, 1 .t4, 1 .t5, 3 others"
    assert left_out(["photos/a.png"], plan(["photos/a.png"], Naming("out"))) == ""


def test_a_folder_that_may_not_be_read_is_said_too(folder, monkeypatch):
    scandir = os.scandir

    def refuse(path):
        if Path(path).name == "more":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr("wildsr.images.files.os.scandir", refuse)
    jobs = plan(["photos"], Naming("out"))
    assert len(jobs) == 3
    assert left_out(["photos"], jobs) == "1 folder that may not be read"


def test_inputs_that_do_not_exist_are_refused_before_any_weights_are_read(folder):
    require_inputs(["-", "photos", "photos/*.png"])
    with pytest.raises(ValueError, match=r"^photos/\*\.gif: no such file or folder$"):
        require_inputs(["photos", "photos/*.gif"])


@pytest.mark.parametrize(
    ("naming", "kind"),
    [(("x.jpg",), "JPEG"), (("out",), "PNG"), ((None, "webp"), "WEBP"), (("-", "tif"), "TIFF"), (("photos",), "PNG")],
)
def test_the_format_of_results_is_known_without_their_inputs(folder, naming, kind):
    assert Naming(*naming).kind == kind


def test_format_and_suffix_name_the_results(folder):
    assert pairs(["photos/a.png", "photos/ü.webp"], "out", "jpg", "_x4") == [
        ("photos/a.png", "out/a_x4.jpg"),
        ("photos/ü.webp", "out/ü_x4.jpg"),
    ]


@pytest.mark.parametrize(
    ("output", "target", "kind"),
    [
        ("large.jpg", "large.jpg", "JPEG"),
        ("LARGE.TIF", "LARGE.TIF", "TIFF"),
        ("out", "out/a.png", "PNG"),
        ("out.d/", "out.d/a.png", "PNG"),
    ],
)
def test_the_output_of_one_image_is_a_file_where_its_name_says_so(folder, output, target, kind):
    [job] = plan(["photos/a.png"], Naming(output))
    assert (str(job.target), job.kind) == (target, kind)


def test_a_folder_whose_name_looks_like_a_files_is_a_folder(folder):
    Path("odd.png").mkdir()
    assert pairs(["photos/a.png"], "odd.png") == [("photos/a.png", "odd.png/a.png")]


def test_patterns_that_the_shell_left_alone_are_expanded(folder):
    assert [source for source, _ in pairs(["photos/*.*g"], "out")] == ["photos/a.png", "photos/b c.jpg"]
    found = plan([f"{folder}/**/*.tif"], Naming("out"))
    assert [str(job.target) for job in found] == ["out/d.png"]
    with pytest.raises(ValueError, match=r"photos/\*\.gif: no such file or folder"):
        plan(["photos/*.gif"], Naming("out"))


def test_a_name_in_brackets_is_a_name_where_there_is_one(folder):
    (folder / "a[1].png").write_bytes(b"")
    assert pairs(["photos/a[1].png"], "out") == [("photos/a[1].png", "out/a[1].png")]


def test_a_name_with_a_tilde_is_a_name_where_there_is_no_such_home(folder):
    for name in ("~$a.png", "~$clip.mp4"):
        (folder.parent / name).write_bytes(b"")
    assert pairs(["~$a.png"], "~$x.png") == [("~$a.png", "~$x.png")]
    assert pairs(["~$a.png"], "~$out/") == [("~$a.png", "~$out/~$a.png")]
    assert plan_video(["~$clip.mp4"], Naming("~$out/")) == (Path("~$clip.mp4"), Path("~$out/~$clip.mp4"), "mp4")
    with pytest.raises(ValueError, match=r"^~\$b\.png: no such file or folder"):
        plan(["~$b.png"], Naming("out"))


def test_an_image_given_twice_is_one_job(folder):
    assert len(plan(["photos/a.png", "photos/a.png", "photos/*.png"], Naming("out"))) == 1


def test_standard_streams_have_no_files(folder):
    [job] = plan(["-"], Naming("-", "webp"))
    assert (job.source, job.target, job.kind, job.name) == (None, None, "WEBP", "standard input")
    [job] = plan(["-"], Naming("large.jpg"))
    assert (job.source, str(job.target)) == (None, "large.jpg")
    [job] = plan(["photos/a.png"], Naming("-"))
    assert (str(job.source), job.target, job.kind) == ("photos/a.png", None, "PNG")


def test_results_of_an_earlier_run_inside_the_input_folder_are_no_inputs(folder):
    (folder / "large").mkdir()
    (folder / "large" / "a.png").write_bytes(b"")
    assert [source for source, _ in pairs(["photos"], "photos/large")] == [
        "photos/a.png", "photos/b c.jpg", "photos/more/d.tif", "photos/ü.webp",
    ]  # fmt: skip
    (folder / "a_x4.png").write_bytes(b"")
    assert "photos/a_x4.png" not in dict(pairs(["photos"], "photos", None, "_x4"))


@pytest.mark.parametrize(
    ("inputs", "naming", "words"),
    [
        (["nowhere.png"], ("out",), "nowhere.png: no such file or folder"),
        (["photos"], ("x.png",), "photos is a folder; wanted a folder as output, not x.png"),
        (["photos/a.png", "photos/b c.jpg"], ("x.png",), "2 inputs; wanted a folder as output, not x.png"),
        (["photos/*.*g"], ("x.png",), "2 images; wanted a folder as output, not x.png"),
        (["photos"], ("-",), "photos is a folder; wanted a folder as output, not -"),
        (["-", "photos/a.png"], ("out",), "standard input has no name"),
        (["-"], ("out/",), "standard input has no name"),
        (["photos/a.png", "-"], (None,), "standard input has no name; wanted a file as output, not none"),
        (["photos/a.png"], (None,), "photos/a.png is an input; wanted another --output or --suffix"),
        (["photos/a.png"], ("x.xyz",), r"x\.xyz: no image format '\.xyz'"),
        (["photos/a.png"], ("x.png", "jpg"), "x.png as output, but --format jpg"),
        (["photos/a.png"], ("photos/a.png",), "photos/a.png is an input; wanted another --output$"),
        (["photos"], ("photos",), "photos/a.png is an input; wanted another --output or --suffix"),
        (["photos/a.png"], ("photos/a.png/x.png",), "a.png is not a folder that can be written to"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(folder, inputs, naming, words):
    with pytest.raises(ValueError, match=words) as caught:
        plan(inputs, Naming(*naming))
    assert "\n" not in str(caught.value)


def test_a_name_with_a_line_break_stays_on_one_line(folder):
    name = "two\nlines \udcff.png"
    (folder / name).write_bytes(b"")
    [job] = plan([f"photos/{name}"], Naming("out"))
    assert job.name == "photos/two\\nlines \\udcff.png"


def test_a_video_keeps_its_container_in_a_folder_where_that_can_be_written(folder):
    for name in ("a.mov", "b.AVI"):
        Path(name).write_bytes(b"")
    assert is_video("b.AVI") and not is_video("photos")
    targets = [plan_video([name], Naming(*naming)) for name, naming in [
        ("a.mov", ("out/",)), ("a.mov", ("out", None, "_x4")), ("b.AVI", ("photos",)), ("b.AVI", ("x.MP4",)),
    ]]  # fmt: skip
    assert [(str(target), kind) for _, target, kind in targets] == [
        ("out/a.mov", "mov"), ("out/a_x4.mov", "mov"), ("photos/b.mkv", "matroska"), ("x.MP4", "mp4"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("inputs", "output", "words"),
    [
        (["a.mov", "photos/a.png"], "out", "2 inputs, a video among them; wanted one video a call"),
        (["b.mov"], "out", "b.mov: no such file"),
        (["a.mov"], "x.png", "x.png: no video file; choose from .mp4, .mov, .mkv, .webm"),
        (["a.mov"], "-", "-: no video file"),
        (["a.mov"], "a.mov", "a.mov is an input"),
        (["a.mov"], ".", "a.mov is an input"),
        (["a.mov"], "photos/a.png/x.mp4", "a.png is not a folder that can be written to"),
    ],
)
def test_what_cannot_be_meant_of_a_video_is_refused_in_one_line(folder, inputs, output, words):
    Path("a.mov").write_bytes(b"")
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        plan_video(inputs, Naming(output))
    assert "\n" not in str(caught.value)

"""`wildsr prepare` from the command line: what goes in, what comes out, and what a break leaves behind."""

import functools
import hashlib
import http.server
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from wildsr.apps.prepare import cli as prepare
from wildsr.apps.prepare import cutting, disk, packing, preparation
from wildsr.apps.prepare import published as archives
from wildsr.apps.prepare.cutting import MARGIN
from wildsr.apps.prepare.sources import DIV2K_TRAIN, DIV2K_VALID, FLICKR2K, OST
from wildsr.cli import main
from wildsr.data import Photographs, Samples, Store
from wildsr.degradation import DegradationSpec

SMALL = ["--size", "16", "--step", "8", "--scales", "1/2,20", "--workers", "1"]


def draw(path: Path, width: int = 40, height: int = 30, seed: int = 0) -> Path:
    """An image of noise. 40 x 30 with SMALL: 4 x 3 squares; halved, 20 x 15, kept whole; 26 x 20: 3 x 2 squares."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def photos(tmp_path):
    for number in range(4):
        draw(tmp_path / "photos" / f"{number}.png", seed=number)
    return tmp_path / "photos"


def state(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file with what changes when it is written again."""
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): (path.stat().st_ino, path.stat().st_mtime_ns) for path in found}


def content(folder: Path) -> dict[str, bytes]:
    images = (path for split in ("train", "val") for path in (folder / split).rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in images}


def test_a_folder_is_cut_counted_and_a_second_run_has_nothing_to_do(photos, tmp_path, capsys):
    words = ["prepare", "folder", str(photos), "-o", str(tmp_path / "out"), *SMALL]
    assert main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    counts = "train: 4 images and 8 smaller copies of them in; 72 sub-images of 16 x 16 and 4 kept whole out; 0"
    assert lines == [f"{counts} damaged and left out", f"{tmp_path / 'out'}: ready to train"]
    assert len(Photographs(tmp_path / "out" / "train")) == 76
    before = state(tmp_path / "out")
    assert main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"{counts} damaged and left out", f"{tmp_path / 'out'}: ready to train, nothing left to do"]
    assert state(tmp_path / "out") == before


def test_squares_overlap_by_half_of_any_size(photos, tmp_path, capsys):
    words = ["--size", "16", "--scales", "none", "--workers", "1"]
    assert main(["prepare", "folder", str(photos), "-o", str(tmp_path / "out"), *words]) == 0
    # 40 x 30: columns at 0, 8, 16, 24, rows at 0, 8, 14.
    assert f"{4 * 4 * 3} sub-images of 16 x 16" in capsys.readouterr().out


def test_held_out_images_stay_whole_and_out_of_training_for_ever(photos, tmp_path, capsys):
    words = ["prepare", "folder", str(photos), "-o", str(tmp_path / "out"), "--val", "2", *SMALL]
    assert main(words) == 0
    assert "val: 2 images in; 2 out, whole; 0 damaged and left out" in capsys.readouterr().out
    held = {path.name for path in (tmp_path / "out" / "val").iterdir()}
    assert len(held) == 2
    for name in held:
        assert (tmp_path / "out" / "val" / name).read_bytes() == (photos / name).read_bytes()
        assert not (tmp_path / "out" / "train" / f"{name[:-4]}_png").exists()
    for number in range(4, 30):
        draw(photos / "more" / f"{number}.png", 16, 16, seed=number)
    assert main(words) == 0
    assert {path.name for path in (tmp_path / "out" / "val").iterdir()} == held
    assert "train: 28 images" in capsys.readouterr().out


def test_every_format_is_read_upright_and_as_rgb_by_two_processes(tmp_path, capsys):
    folder = tmp_path / "photos"
    image = Image.open(draw(folder / "plain.png", 16, 20))
    upright = Image.Exif()
    upright[0x0112] = 6
    for name, converted in {
        "turned.jpg": image, "cmyk.jpg": image.convert("CMYK"), "palette.png": image.convert("P"),
        "alpha.webp": image.convert("RGBA"), "deep.png": image.convert("I;16"), "grey.tif": image.convert("L"),
        "b.bmp": image,
    }.items():  # fmt: skip
        converted.save(folder / name, **({"exif": upright} if name == "turned.jpg" else {}))
    assert (
        main(
            [
                "prepare",
                "folder",
                str(folder),
                "-o",
                str(tmp_path / "out"),
                *SMALL[:4],
                "--scales",
                "none",
                "--workers",
                "2",
            ]
        )
        == 0
    )
    counts = "8 images and 0 smaller copies of them in; 16 sub-images of 16 x 16 and 0 kept whole out"
    assert counts in capsys.readouterr().out
    assert {path.name for path in (tmp_path / "out" / "train" / "turned_jpg").iterdir()} == {"s001.png", "s002.png"}
    for path in (tmp_path / "out" / "train").rglob("*.png"):
        assert Image.open(path).mode == "RGB" and Image.open(path).size == (16, 16)


@pytest.mark.parametrize("files", [0, 1, 20, 39])
def test_a_run_stopped_in_the_middle_goes_on_and_ends_as_if_it_had_not(photos, tmp_path, capsys, monkeypatch, files):
    words = ["prepare", "folder", str(photos), "-o", str(tmp_path / "out"), *SMALL]
    whole, written = cutting.write_whole, []

    def stop(path, write):
        if len(written) == files:
            raise KeyboardInterrupt
        written.append(path)
        whole(path, write)

    monkeypatch.setattr(cutting, "write_whole", stop)
    assert main(words) == 1 and "stopped" in capsys.readouterr().err
    monkeypatch.setattr(cutting, "write_whole", whole)
    before = state(tmp_path / "out")
    assert main(words) == 0
    after = state(tmp_path / "out")
    done = files // 19  # images that were finished: 19 files each
    assert sum(after[name] == before[name] for name in before if name.startswith("train")) == 19 * done
    assert main(["prepare", "folder", str(photos), "-o", str(tmp_path / "once"), *SMALL]) == 0
    assert content(tmp_path / "out") == content(tmp_path / "once")


def processes_of(leader: int) -> list[int]:
    """The processes that one call started, itself included, as Linux lists them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads Linux's list of processes")
@pytest.mark.parametrize("store", [[], ["--store"]], ids=["files", "store"])
def test_a_killed_run_leaves_no_process_and_goes_on(tmp_path, capsys, store):
    for number in range(300):
        draw(tmp_path / "photos" / f"{number}.png", 200, 200, seed=number)  # more than a pipe holds
    words = ["prepare", "folder", str(tmp_path / "photos"), "-o", str(tmp_path / "out"), *SMALL[:4], *store]
    call = [sys.executable, "-c", "import sys; from wildsr.cli import main; sys.exit(main(sys.argv[1:]))"]
    process = subprocess.Popen([*call, *words, "--workers", "2"], start_new_session=True, stderr=subprocess.DEVNULL)
    manifest, deadline = tmp_path / "out" / "prepared.jsonl", time.monotonic() + 60
    while not (manifest.exists() and manifest.read_bytes().count(b"\n") > 3) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(processes_of(process.pid)) >= 3
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    while processes_of(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not processes_of(process.pid)
    done = manifest.read_bytes().count(b'"picture"')
    assert 0 < done < 300
    assert not [path for path in (tmp_path / "out").rglob("*.png") if path.stat().st_size == 0]
    for number in range(done, 300):  # the rest would take seconds
        (tmp_path / "photos" / f"{number}.png").unlink()
    assert main([*words, "--workers", "1"]) == 0
    assert f"{len(list((tmp_path / 'photos').iterdir()))} images and" in capsys.readouterr().out


def test_an_image_that_changed_is_cut_anew_and_its_old_squares_go(photos, tmp_path, capsys):
    words = ["prepare", "folder", str(photos), "-o", str(tmp_path / "out"), *SMALL]
    assert main(words) == 0
    before = state(tmp_path / "out")
    draw(photos / "2.png", 16, 16, seed=9)
    assert main(words) == 0
    assert {path.name for path in (tmp_path / "out" / "train" / "2_png").iterdir()} == {"s001.png", "T0_whole.png"}
    after = state(tmp_path / "out")
    assert all(after[name] == before[name] for name in before if "/2_png/" not in name and name.startswith("train"))


def test_a_sub_image_that_was_deleted_comes_back(photos, tmp_path):
    words = ["prepare", "folder", str(photos), "-o", str(tmp_path / "out"), *SMALL]
    main(words)
    before = content(tmp_path / "out")
    (tmp_path / "out" / "train" / "1_png" / "s003.png").unlink()
    assert main(words) == 0 and content(tmp_path / "out") == before


def test_images_that_left_the_folder_are_told(photos, tmp_path, capsys):
    words = ["prepare", "folder", str(photos), "-o", str(tmp_path / "out"), *SMALL]
    main(words)
    (photos / "1.png").unlink()
    assert main(words) == 0
    assert "1 images are no longer in" in capsys.readouterr().err


def test_a_damaged_image_is_named_counted_and_left_out(tmp_path, capsys):
    for number in range(100):
        draw(tmp_path / "photos" / f"{number:03d}.png", 8, 8)
    (tmp_path / "photos" / "050.png").write_bytes(b"nothing")
    words = ["prepare", "folder", str(tmp_path / "photos"), "-o", str(tmp_path / "out"), *SMALL]
    for _ in range(2):
        assert main(words) == 0
        out, err = capsys.readouterr()
        assert "99 kept whole" not in out and "1 damaged and left out" in out
        assert err.count("left out: ") == 1 and "050.png: not a readable image" in err
    assert "nothing left to do" in out


def test_linked_images_are_prepared_and_one_that_leads_nowhere_is_left_out_by_name(tmp_path, capsys):
    for number in range(103):
        draw(tmp_path / "disk" / f"{number}.png", 16, 16, seed=number)
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "set").symlink_to(tmp_path / "disk")
    (photos / "gone.png").symlink_to(tmp_path / "deleted.png")
    options = ["--size", "16", "--step", "16", "--scales", "none", "--workers", "1"]
    assert main(["prepare", "folder", str(photos), "-o", str(tmp_path / "out"), "--val", "3", *options]) == 0
    said = capsys.readouterr()
    assert "gone.png: a link to" in said.out + said.err
    assert len(Photographs(tmp_path / "out" / "train" / "set")) == 100
    assert len(Photographs(tmp_path / "out" / "val" / "set")) == 3


def test_more_than_one_percent_of_damaged_images_stops(photos, tmp_path, capsys):
    (photos / "2.png").write_bytes((photos / "2.png").read_bytes()[:500])
    words = ["prepare", "folder", str(photos), "-o", str(tmp_path / "out"), *SMALL]
    for _ in range(2):
        assert main(words) == 1
        last = capsys.readouterr().err.splitlines()[-1]
        assert last.startswith("error: 1 of 4 images not readable, more than 1%; the last: ") and "2.png" in last
    draw(photos / "2.png")
    assert main(words) == 0


def test_too_small_a_disk_is_told_before_the_work(photos, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 10_000}))
    assert main(["prepare", "folder", str(photos), "-o", str(tmp_path / "out"), *SMALL]) == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert "preparing 4 images takes about" in line and "10.0 kB is free there" in line
    assert not (tmp_path / "out" / "train").exists()


def test_the_room_it_takes_is_estimated_within_a_fifth(photos, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(preparation, "require_space", lambda folder, needed, purpose: asked.append(needed))
    main(["prepare", "folder", str(photos), "-o", str(tmp_path / "out"), *SMALL])
    taken = sum(map(len, content(tmp_path / "out").values()))
    assert asked[0] / MARGIN == pytest.approx(taken, rel=0.2)


# ---- The store: the same images in one file ----


def images(images) -> list[torch.Tensor]:
    return [images[i].clone() for i in range(len(images))]


def equal(store: Store, files: Photographs) -> bool:
    """Whether a store holds the files of a prepared folder: as many, in their order, by their names, bit for bit."""
    root = next(parent for parent in files.paths[0].parents if parent.name in ("train", "photos"))
    same = store.names == [path.relative_to(root).as_posix() for path in files.paths]
    return same and all(map(torch.equal, images(store), images(files)))


@pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_a_store_holds_the_sub_images_of_the_files_bit_for_bit(photos, tmp_path, capsys, workers):
    draw(photos / "more" / "long.jpg", 90, 18)
    common = ["prepare", "folder", str(photos), *SMALL[:-1], workers, "--val", "1"]
    assert main([*common, "-o", str(tmp_path / "files")]) == 0
    counts = capsys.readouterr().out.splitlines()[:2]
    assert main([*common, "-o", str(tmp_path / "out"), "--store"]) == 0
    out, root = capsys.readouterr().out.splitlines(), tmp_path / "out" / "train.store"
    files, store = Photographs(tmp_path / "files" / "train"), Store(root)
    assert equal(store, files)
    size = f"{root.stat().st_size / 1000:.1f} kB"
    assert out == [*counts, f"{root}: {len(files)} images to train on, {size}", f"{tmp_path / 'out'}: ready to train"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["prepared.jsonl", "train.store", "val"]
    for number in (0, 17, 60):
        one, other = (Samples(images, DegradationSpec(), 16, 8, seed=1)[number] for images in (store, files))
        assert one[1] == other[1] and torch.equal(one[0], other[0])
    before = state(tmp_path / "out")
    assert main([*common, "-o", str(tmp_path / "out"), "--store"]) == 0
    assert "nothing left to do" in capsys.readouterr().out and state(tmp_path / "out") == before


def test_overlap_takes_no_room_in_a_store(photos, tmp_path):
    main(["prepare", "folder", str(photos), "-o", str(tmp_path / "out"), *SMALL, "--store"])
    levels = 4 * 3 * (40 * 30 + 20 * 15 + 26 * 20)  # of the images and of their smaller copies
    rest = (tmp_path / "out" / "train.store").stat().st_size - levels
    assert 76 * 40 < rest < 76 * (40 + 30) + 1000  # the index, the names, the header


def test_images_left_whole_are_a_store_of_the_folder_as_it_is(photos, tmp_path, capsys):
    draw(photos / "1-b.webp"), draw(photos / "10.jpg"), draw(photos / "1" / "x.bmp")
    assert main(["prepare", "folder", str(photos), "-o", str(tmp_path / "out"), "--size", "whole", "--store"]) == 0
    assert "train: 7 images in; 7 out, whole; 0 damaged and left out" in capsys.readouterr().out
    assert equal(Store(tmp_path / "out" / "train.store"), Photographs(photos))


@pytest.mark.parametrize("done", [0, 1, 3])
@pytest.mark.parametrize("lost", [0, 1, 100_000], ids=["stopped", "a byte lost", "all lost"])
def test_a_store_that_was_stopped_goes_on_and_ends_as_if_it_had_not(photos, tmp_path, capsys, monkeypatch, done, lost):
    words = ["prepare", "folder", str(photos), "-o", str(tmp_path / "out"), *SMALL, "--store"]
    levels, called = preparation.levels, []

    def stop(task):
        called.append(task.key)
        if len(called) > done:
            raise KeyboardInterrupt
        return levels(task)

    monkeypatch.setattr(preparation, "levels", stop)
    assert main(words) == 1 and not (tmp_path / "out" / "train.store").exists()
    part = tmp_path / "out" / "train.store.part"
    if done:  # what a power cut may do to bytes that were not on the disk yet
        os.truncate(part, max(part.stat().st_size - lost, 0))
    called.clear()
    monkeypatch.setattr(preparation, "levels", lambda task: called.append(task.key) or levels(task))
    assert main(words) == 0 and not part.exists()
    kept = {0: done, 1: max(done - 1, 0), 100_000: 0}[lost]
    assert len(called) == 4 - kept
    main(["prepare", "folder", str(photos), "-o", str(tmp_path / "files"), *SMALL])
    assert equal(Store(tmp_path / "out" / "train.store"), Photographs(tmp_path / "files" / "train"))


def test_a_store_that_only_lacked_its_index_gets_it(photos, tmp_path, capsys, monkeypatch):
    words = ["prepare", "folder", str(photos), "-o", str(tmp_path / "out"), *SMALL, "--store"]
    with monkeypatch.context() as patched:
        patched.setattr(packing, "write_frame", lambda *given: (_ for _ in ()).throw(KeyboardInterrupt))
        assert main(words) == 1
    assert main(words) == 0
    assert len(Store(tmp_path / "out" / "train.store")) == 76


def test_images_that_are_added_or_change_go_into_the_store_and_open_ones_stay_readable(photos, tmp_path):
    words = ["prepare", "folder", str(photos), "-o", str(tmp_path / "out"), *SMALL, "--store"]
    main(words)
    opened = Store(tmp_path / "out" / "train.store")
    before = images(opened)
    draw(photos / "2.png", 16, 16, seed=9)
    draw(photos / "between.png", 30, 30, seed=5)
    assert main(words) == 0
    main(["prepare", "folder", str(photos), "-o", str(tmp_path / "files"), *SMALL])
    assert equal(Store(tmp_path / "out" / "train.store"), Photographs(tmp_path / "files" / "train"))
    assert all(map(torch.equal, images(opened), before))


def test_a_store_that_was_removed_is_made_anew(photos, tmp_path, capsys):
    words = ["prepare", "folder", str(photos), "-o", str(tmp_path / "out"), *SMALL, "--store"]
    main(words)
    first = (tmp_path / "out" / "train.store").read_bytes()
    (tmp_path / "out" / "train.store").unlink()
    assert main(words) == 0 and (tmp_path / "out" / "train.store").read_bytes() == first


def test_a_damaged_image_is_named_and_not_in_the_store(tmp_path, capsys):
    for number in range(100):
        draw(tmp_path / "photos" / f"{number:03d}.png", 8, 8)
    (tmp_path / "photos" / "050.png").write_bytes(b"nothing")
    words = ["prepare", "folder", str(tmp_path / "photos"), "-o", str(tmp_path / "out"), *SMALL, "--store"]
    for _ in range(2):
        assert main(words) == 0
        assert "050.png: not a readable image" in capsys.readouterr().err
    assert len(Store(tmp_path / "out" / "train.store")) == 2 * 99  # each with a smaller copy


def test_a_store_and_files_do_not_mix_in_one_folder(photos, tmp_path, capsys):
    words = ["prepare", "folder", str(photos), "-o", str(tmp_path / "out"), *SMALL]
    main(words)
    assert main([*words, "--store"]) == 1
    assert "prepared with no store; choose another --output" in capsys.readouterr().err


def test_a_damaged_store_is_one_line_and_exit_code_1(photos, tmp_path, capsys):
    words = ["prepare", "folder", str(photos), "-o", str(tmp_path / "out"), *SMALL, "--store"]
    main(words)
    os.truncate(tmp_path / "out" / "train.store", 5000)
    capsys.readouterr()
    assert main(words) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "train.store: no store, damaged or cut short" in error


def test_the_room_for_a_store_is_known_to_the_byte(photos, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(preparation, "require_space", lambda folder, needed, purpose: asked.append(needed))
    main(["prepare", "folder", str(photos), "-o", str(tmp_path / "out"), *SMALL, "--store"])
    assert asked[0] / MARGIN == pytest.approx(4 * 3 * (40 * 30 + 20 * 15 + 26 * 20))


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["folder"], "folder wants the folder with your images and -o DIR"),
        (["folder", "photos"], "-o DIR"),
        (["folder", "photos", "-o", "photos/out"], "lie in each other"),
        (["folder", "out/train", "-o", "out"], "lie in each other"),
        (["div2k", "photos"], "belong to `prepare folder DIR`"),
        (["div2k", "--val", "3"], "belong to `prepare folder DIR`"),
        (["div2k", "--step", "401"], "step=401 would skip pixels; wanted 1 to 400"),
        (["div2k", "--scales", "2/0"], "wanted factors below 1"),
        (["div2k", "--scales", "1.5"], "wanted factors below 1"),
        (["div2k", "--size", "0"], "wanted a whole number of pixels, or whole"),
        (["div2k", "--size", "whole", "--scales", "0.5"], "keeps images as they are"),
        (["ost", "--scales", "0.5"], "ost gets no smaller copies"),
        (["div3k"], "given 'div3k'; choose from"),
    ],
)
def test_a_wrong_call_is_one_line_and_exit_code_2(words, reason, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        code = main(["prepare", *words])
    except SystemExit as stop:
        code = stop.code
    error = capsys.readouterr().err
    assert code == 2 and reason in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_or_empty_is_one_line_and_exit_code_1(tmp_path, capsys):
    assert main(["prepare", "folder", str(tmp_path / "no"), "-o", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err == f"error: {tmp_path / 'no'}: no such folder\n"


# ---- Published sets, from a server on this machine ----


@pytest.fixture
def published(tmp_path, monkeypatch):
    """Two DIV2K images, one for validation, and one of Flickr2K with a degraded version, on a server."""
    served = tmp_path / "served"
    for name, members in {
        "DIV2K_train_HR.zip": ["DIV2K_train_HR/0001.png", "DIV2K_train_HR/0002.png"],
        "DIV2K_valid_HR.zip": ["DIV2K_valid_HR/0801.png"],
        "Flickr2K.tar": ["Flickr2K/Flickr2K_HR/000001.png", "Flickr2K/Flickr2K_LR_bicubic/X2/000001x2.png"],
    }.items():
        files = [draw(tmp_path / "made" / member, seed=len(member)) for member in members]
        served.mkdir(exist_ok=True)
        with (
            zipfile.ZipFile(served / name, "w") if name.endswith("zip") else tarfile.open(served / name, "w") as archive
        ):
            for file, member in zip(files, members, strict=True):
                (archive.write if name.endswith("zip") else archive.add)(file, member)
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            asked.append(self.path.lstrip("/"))

    handler = functools.partial(Handler, directory=str(served))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()

        def local(source, suffix, images, checked=True):
            file = served / f"{source.stem}{suffix}"
            digest = f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}" if checked else None
            url = f"http://127.0.0.1:{server.server_port}/{file.name}"
            size = file.stat().st_size if checked else None
            return replace(source, url=url, size=size, digest=digest, images=images)

        train, valid = local(DIV2K_TRAIN, ".zip", 2), local(DIV2K_VALID, ".zip", 1)
        flickr, ost = local(FLICKR2K, ".tar", 1, checked=False), replace(OST, images=3)
        sets = {"div2k": (train, valid), "flickr2k": (flickr,), "ost": (ost,), "df2k_ost": (ost, train, valid, flickr)}
        monkeypatch.setattr(prepare, "SETS", sets)
        monkeypatch.setattr(archives, "fetch", functools.partial(archives.fetch, attempts=2, pause=0, timeout=5))
        monkeypatch.chdir(tmp_path)
        yield asked
        server.shutdown()


def place_ost() -> None:
    """What a person puts there by hand: a zip of one category, another category unpacked, and test images."""
    place = Path("data/df2k_ost/archives/OutdoorSceneTrain_v2")
    draw(place / "sky" / "1.png", 20, 20)
    draw(place / "sky" / "2.png", 12, 12)
    draw(place / "OutdoorSceneTest300" / "OST_001.png")
    with zipfile.ZipFile(place / "animal.zip", "w") as archive:
        archive.write(draw(Path("made/animal.png"), 20, 20), "animal/1.png")


def test_the_released_set_lies_as_its_configuration_expects(published, capsys):
    place_ost()
    before = state(Path("data/df2k_ost/archives"))
    assert main(["prepare", "df2k_ost", *SMALL]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "ost train: 3 images and 0 smaller copies of them in; 8 sub-images of 16 x 16 and 1 kept whole out; "
        "0 damaged and left out",
        "div2k train: 2 images and 4 smaller copies of them in; 36 sub-images of 16 x 16 and 2 kept whole out; "
        "0 damaged and left out",
        "div2k val: 1 images in; 1 out, whole; 0 damaged and left out",
        "flickr2k train: 1 images and 2 smaller copies of them in; 18 sub-images of 16 x 16 and 1 kept whole out; "
        "0 damaged and left out",
        "data/df2k_ost: ready to train",
    ]
    assert "are published" not in err
    root = Path("data/df2k_ost")
    folders = {path.parent.relative_to(root).as_posix() for path in root.rglob("*.png") if "archives" not in path.parts}
    assert folders == {
        "train/ost/animal/1_png", "train/ost/sky/1_png", "train/ost/sky/2_png",
        "train/div2k/0001_png", "train/div2k/0002_png", "train/flickr2k/000001_png", "val",
    }  # fmt: skip
    assert (root / "val/0801.png").read_bytes() == Path("made/DIV2K_valid_HR/0801.png").read_bytes()
    # What was downloaded and unpacked is gone; what was placed by hand is as it was.
    assert sorted(path.name for path in root.iterdir()) == ["archives", "prepared.jsonl", "train", "val"]
    assert state(root / "archives") == before
    published.clear()
    assert main(["prepare", "df2k_ost", *SMALL]) == 0
    assert "data/df2k_ost: ready to train, nothing left to do" in capsys.readouterr().out and not published


def test_a_published_set_becomes_one_store_and_is_complete_without_its_archives(published, capsys):
    place_ost()
    assert main(["prepare", "df2k_ost", *SMALL, "--store"]) == 0
    assert main(["prepare", "df2k_ost", *SMALL, "-o", "files"]) == 1  # what was placed by hand is asked for there
    Path("data/df2k_ost/archives").rename("files/archives")
    assert main(["prepare", "df2k_ost", *SMALL, "-o", "files"]) == 0
    assert equal(Store("data/df2k_ost/train.store"), Photographs("files/train"))
    published.clear()
    capsys.readouterr()
    assert main(["prepare", "df2k_ost", *SMALL, "--store"]) == 0
    assert "nothing left to do" in capsys.readouterr().out and not published


def test_a_published_store_that_was_removed_is_brought_again(published):
    for _ in range(2):
        assert main(["prepare", "flickr2k", *SMALL, "--store"]) == 0 and published == ["Flickr2K.tar"]
        published.clear()
        Path("data/flickr2k/train.store").unlink()


def test_what_must_be_placed_by_hand_is_asked_for_before_any_download(published, capsys):
    assert main(["prepare", "df2k_ost", *SMALL]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "https://drive.google.com/drive/folders/" in error
    assert "into data/df2k_ost/archives/OutdoorSceneTrain; then run this again" in error and not published


def test_categories_added_by_hand_later_are_prepared_too(published, capsys):
    place_ost()
    Path("data/ost").mkdir()
    Path("data/df2k_ost/archives").rename("data/ost/archives")
    words = ["prepare", "ost", "--size", "16", "--step", "8", "--workers", "1"]
    assert main(words) == 0
    before = state(Path("data/ost/train"))
    draw(Path("data/ost/archives/OutdoorSceneTrain_v2/water/1.png"), 16, 16)
    capsys.readouterr()
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert "ost train: 4 images" in out and "ost train: 4 images, where 3 are published" in err
    after = state(Path("data/ost/train"))
    assert set(after) - set(before) == {"water/1_png/s001.png"} and all(after[name] == before[name] for name in before)


def test_an_archive_placed_by_hand_is_used_and_never_removed(published, capsys):
    Path("data/flickr2k/archives").mkdir(parents=True)
    Path("served/Flickr2K.tar").rename("data/flickr2k/archives/Flickr2K_mirror.tar")
    assert main(["prepare", "flickr2k", *SMALL]) == 0
    assert Path("data/flickr2k/archives/Flickr2K_mirror.tar").exists() and not published
    assert "flickr2k train: 1 images and 2 smaller copies" in capsys.readouterr().out


def test_archives_are_kept_where_that_is_asked_for(published):
    assert main(["prepare", "div2k", "--keep-archives", *SMALL]) == 0
    kept = sorted(path.name for path in Path("data/div2k/archives").iterdir())
    assert kept == ["DIV2K_train_HR.zip", "DIV2K_valid_HR.zip"]
    published.clear()
    assert main(["prepare", "div2k", *SMALL]) == 0 and not published
    assert len(list(Path("data/div2k/archives").iterdir())) == 2


def test_a_damaged_archive_without_a_digest_is_set_aside_and_fetched_anew(published, capsys):
    good = Path("served/Flickr2K.tar").read_bytes()
    Path("served/Flickr2K.tar").write_bytes(good[:2000])
    assert main(["prepare", "flickr2k", *SMALL]) == 1
    assert "set aside as data/flickr2k/archives/Flickr2K.tar.damaged" in capsys.readouterr().err
    Path("served/Flickr2K.tar").write_bytes(good)
    assert main(["prepare", "flickr2k", *SMALL]) == 0


def test_an_address_that_answers_no_more_says_what_can_be_done(published, capsys):
    Path("served/Flickr2K.tar").unlink()
    assert main(["prepare", "flickr2k", *SMALL]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert "the server answers 404" in error
    assert "if you get it elsewhere: Flickr2K.zip, Flickr2K.tar or a folder Flickr2K goes into" in error


def test_a_prepared_set_that_lost_a_file_is_brought_again(published):
    assert main(["prepare", "flickr2k", *SMALL]) == 0
    before = content(Path("data/flickr2k"))
    Path("data/flickr2k/train/000001_png/s001.png").unlink()
    assert main(["prepare", "flickr2k", *SMALL]) == 0
    assert content(Path("data/flickr2k")) == before and len(published) == 2

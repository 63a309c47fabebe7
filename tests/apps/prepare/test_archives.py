"""Archives that are damaged or hostile write nothing outside, and lose nothing without a word."""

import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from wildsr.apps.prepare import disk
from wildsr.apps.prepare.archives import BadArchiveError, unpack


def zipped(path: Path, files: dict[str, bytes], kind: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2017, 3, 1, 12, 0, 0)), content, kind)
    return path


def tarred(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(content), 1_488_369_600
            archive.addfile(info, io.BytesIO(content))
    return path


def written(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(params=[zipped, tarred], ids=["zip", "tar"])
def pack(request):
    return request.param


def test_only_pictures_are_taken_without_the_folders_they_share(pack, tmp_path):
    files = {
        "Set/HR/1.png": b"one",
        "Set/HR/more/2.JPG": b"two",
        "Set/HR/more/3.jp2": b"three",
        "Set/readme.txt": b"no",
        "__MACOSX/Set/._1.png": b"no",
    }
    assert unpack(pack(tmp_path / "set", files), tmp_path / "out") == 3
    assert written(tmp_path / "out") == {"1.png": b"one", "more/2.JPG": b"two", "more/3.jp2": b"three"}


def test_what_is_not_wanted_stays_inside(pack, tmp_path):
    files = {"Flickr2K/Flickr2K_HR/1.png": b"one", "Flickr2K/Flickr2K_LR_bicubic/X4/1x4.png": b"small"}
    unpack(pack(tmp_path / "set", files), tmp_path / "out", lambda parts: "Flickr2K_LR_bicubic" not in parts)
    assert written(tmp_path / "out") == {"1.png": b"one"}


def test_pictures_keep_their_date_and_are_not_written_twice(pack, tmp_path):
    archive = pack(tmp_path / "set", {"1.png": b"one", "2.png": b"two"})
    unpack(archive, tmp_path / "out")
    assert (tmp_path / "out" / "1.png").stat().st_mtime == pytest.approx(1_488_369_600, abs=86_400)
    (tmp_path / "out" / "2.png").unlink()
    before = (tmp_path / "out" / "1.png").stat().st_ino
    calls = []
    assert unpack(archive, tmp_path / "out", advance=lambda done, total: calls.append((done, total))) == 2
    assert (tmp_path / "out" / "1.png").stat().st_ino == before and calls == [(1, 2), (2, 2)]
    assert written(tmp_path / "out") == {"1.png": b"one", "2.png": b"two"}


@pytest.mark.parametrize(
    "name", ["../evil.png", "a/../../evil.png", "/evil.png", "..\\evil.png", "C:evil.png", "a\x1b[2J.png"]
)
def test_a_path_that_leads_outside_takes_nothing_of_the_archive(pack, tmp_path, name):
    archive = pack(tmp_path / "set", {"good.png": b"good", name: b"evil"})
    with pytest.raises(BadArchiveError, match="unsafe path"):
        unpack(archive, tmp_path / "in" / "out")
    assert written(tmp_path) == {"set": archive.read_bytes()}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_refused(tmp_path, kind):
    with tarfile.open(tmp_path / "set", "w") as archive:
        link = tarfile.TarInfo("out")
        link.type, link.linkname = kind, "/etc"
        archive.addfile(link)
        archive.addfile(tarfile.TarInfo("out/passwd.png"))
    with pytest.raises(BadArchiveError, match="holds 'out', a link or a device"):
        unpack(tmp_path / "set", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_link_in_a_zip_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "set", "w") as archive:
        link = zipfile.ZipInfo("out.png")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(BadArchiveError, match="a link or a device"):
        unpack(tmp_path / "set", tmp_path / "out")


def test_a_bomb_is_refused_before_it_goes_off(tmp_path):
    archive = zipped(tmp_path / "set", {f"{n}.bmp": bytes(40_000_000) for n in range(3)}, zipfile.ZIP_DEFLATED)
    assert archive.stat().st_size < 200_000
    with pytest.raises(BadArchiveError, match=r"unpacks to more than 100\.0 MB"):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("stated", [100, 6000])
def test_a_zip_that_misstates_its_content_is_damaged(tmp_path, stated):
    archive = zipped(tmp_path / "set", {"1.png": bytes(5000)}, zipfile.ZIP_DEFLATED)
    content = bytearray(archive.read_bytes())
    entry = content.find(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = stated.to_bytes(4, "little")  # the uncompressed length
    archive.write_bytes(content)
    with pytest.raises(BadArchiveError, match="damaged archive"):
        unpack(archive, tmp_path / "out")
    assert written(tmp_path / "out") == {}


def test_a_path_given_twice_is_refused(pack, tmp_path):
    archive = pack(tmp_path / "set", {"a/1.png": b"one", "a/./1.png": b"two"})
    with pytest.raises(BadArchiveError, match="twice"):
        unpack(archive, tmp_path / "out")


def test_a_damaged_picture_in_a_zip_is_not_written(tmp_path):
    archive = zipped(tmp_path / "set", {"1.png": b"one" * 1000})
    archive.write_bytes(archive.read_bytes().replace(b"oneone", b"oneone"[::-1], 1))
    with pytest.raises(BadArchiveError, match=r"damaged archive.*1\.png"):
        unpack(archive, tmp_path / "out")
    assert written(tmp_path / "out") == {}


@pytest.mark.parametrize("cut", [300, 512 + 100, 512 + 1024, 512 + 1024 + 512 + 1000, 3072])
def test_a_tar_cut_off_anywhere_is_damaged(tmp_path, cut):
    archive = tarred(tmp_path / "set", {"1.png": bytes(1000), "2.png": bytes(1000)})
    archive.write_bytes(archive.read_bytes()[:cut])
    with pytest.raises(BadArchiveError):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_unreadable_header_in_a_tar_is_not_taken_for_its_end(tmp_path):
    archive = tarred(tmp_path / "set", {"1.png": bytes(1000), "2.png": bytes(1000)})
    content = bytearray(archive.read_bytes())
    content[512 + 1024 : 512 + 1024 + 20] = b"x" * 20
    archive.write_bytes(content)
    with pytest.raises(BadArchiveError, match="unreadable at byte 1536"):
        unpack(archive, tmp_path / "out")


def test_a_zip_cut_off_and_a_page_that_is_no_archive_are_named(tmp_path):
    cut = zipped(tmp_path / "cut.zip", {"1.png": bytes(1000)})
    cut.write_bytes(cut.read_bytes()[:-30])
    (tmp_path / "page.zip").write_text("<!doctype html><title>Sign in</title>")
    for name in ("cut.zip", "page.zip"):
        with pytest.raises(BadArchiveError, match=f"{name}: neither a zip nor a plain tar"):
            unpack(tmp_path / name, tmp_path / "out")


def test_an_archive_without_pictures_says_so(pack, tmp_path):
    with pytest.raises(BadArchiveError, match="no picture in it"):
        unpack(pack(tmp_path / "set", {"a.txt": b"text"}), tmp_path / "out")
    with pytest.raises(BadArchiveError, match="there are archives in it"):
        unpack(pack(tmp_path / "set", {"a.zip": b"text"}), tmp_path / "out")


def test_too_small_a_disk_is_told_before_anything_is_written(pack, tmp_path, monkeypatch):
    archive = pack(tmp_path / "set", {"1.png": bytes(5000)})
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 4000}))
    with pytest.raises(ValueError, match=r"unpacking set takes about 5\.0 kB, and 4\.0 kB is free"):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_any_flipped_byte_is_answered_in_one_line(pack, tmp_path):
    archive = pack(tmp_path / "set", {"a/1.png": b"one" * 20, "a/2.png": b"two" * 20})
    content = archive.read_bytes()
    for place in range(0, len(content), 7 if pack is zipped else 101):
        damaged = bytearray(content)
        damaged[place] ^= 0xFF
        archive.write_bytes(damaged)
        try:
            unpack(archive, tmp_path / "out" / str(place))
        except BadArchiveError as error:
            assert "\n" not in str(error) and str(archive) in str(error)
    outside = [path for path in tmp_path.iterdir() if path.name not in ("set", "out")]
    assert not outside

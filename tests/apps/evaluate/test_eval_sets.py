import ntpath
from pathlib import Path

import pytest
import torch
from PIL import Image

from wildsr.apps.evaluate.eval_sets import EvalSet, UnpairedError, read_set, set_digest
from wildsr.building import build_sets
from wildsr.config import compose_config


def test_words_say_what_there_is_of_a_set(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read_set("phone=shots") == EvalSet("phone", "real", lq=Path("shots"))
    assert read_set("set14=LR/x4:HR") == EvalSet("set14", "paired", Path("LR/x4"), Path("HR"))
    assert read_set("wild=synthetic:HR") == EvalSet("wild", "synthetic", hq=Path("HR"))
    assert read_set("hard") == EvalSet("hard", "built-in")
    assert read_set("odd=~$a:~$b") == EvalSet("odd", "paired", Path("~$a"), Path("~$b"))
    (tmp_path / "a:b").mkdir()
    assert read_set("odd=a:b") == EvalSet("odd", "real", lq=Path("a:b"))


def test_a_folder_of_a_set_may_hold_a_colon(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a:b", "c", "d:e:f"):
        (tmp_path / name).mkdir()
    assert read_set("odd=a:b:c") == EvalSet("odd", "paired", Path("a:b"), Path("c"))
    assert read_set("odd=c:d:e:f") == EvalSet("odd", "paired", Path("c"), Path("d:e:f"))
    assert read_set("odd=synthetic:a:b") == EvalSet("odd", "synthetic", hq=Path("a:b"))
    assert read_set("odd=x:y::z:w") == EvalSet("odd", "paired", Path("x:y"), Path("z:w"))
    (tmp_path / "a").mkdir()
    (tmp_path / "b:c").mkdir()
    with pytest.raises(ValueError, match="several pairs of folders; choose from a::b:c, a:b::c"):
        read_set("odd=a:b:c")


def test_a_folder_of_a_set_may_begin_with_a_drive(monkeypatch):
    monkeypatch.setattr("os.path.splitdrive", ntpath.splitdrive)
    assert read_set(r"x=C:\lq") == EvalSet("x", "real", lq=Path(r"C:\lq"))
    assert read_set(r"x=C:\lq:D:\hq") == EvalSet("x", "paired", Path(r"C:\lq"), Path(r"D:\hq"))
    assert read_set(r"x=synthetic:D:\hq") == EvalSet("x", "synthetic", hq=Path(r"D:\hq"))


@pytest.mark.parametrize("word", ["", "shots", "=shots", "a=", "a=:hq", "a=lq:", "main=lq", "photos=lq", "a/b=lq"])
def test_other_words_are_refused(word):
    with pytest.raises(ValueError, match=r"given(, wanted |; choose from photos, hard, NAME=)"):
        read_set(word)


def test_the_built_in_sets_are_those_that_runs_validate_on():
    wanted = build_sets(compose_config(["data=photos"]))
    for name, of_a_run in (("photos", "main"), ("hard", "hard")):
        ours, theirs = read_set(name).open(4), wanted[of_a_run]
        assert len(ours) == len(theirs) == {"photos": 8, "hard": 6}[name]
        for index in range(len(theirs)):
            assert ours.label(index) == theirs.label(index)
            assert ours[index].params == theirs[index].params
            assert torch.equal(ours[index].hq, theirs[index].hq)
    assert len(read_set("photos").open(4, recipes=3)) == 6


def test_a_paired_set_has_the_scale_of_its_pairs_whatever_is_asked(pairs):
    opened = read_set(f"found={pairs}/lq:{pairs}/hq").open(2)
    assert opened.scale == 4 and len(opened) == 4
    assert opened[1].hq.shape == (3, 160, 192) and opened[1].lq.shape == (3, 40, 48)
    Image.new("RGB", (10, 10)).save(pairs / "lq" / "a.png")  # one that differs does not decide for the others
    with pytest.raises(UnpairedError) as refused:
        read_set(f"found={pairs}/lq:{pairs}/hq").open(2)
    assert refused.value.faults == [f"{pairs}/hq/a.png is 192 x 160, wanted 40 x 40 for a.png"]


def test_endings_tell_which_names_belong_together(pairs):
    for file in list((pairs / "lq").glob("*.png")):
        file.rename(file.with_stem(f"{file.stem}x4"))
    (pairs / "lq" / "more" / "d.png").rename(pairs / "lq" / "more" / "dx4.png")
    asked = read_set(f"found={pairs}/lq:{pairs}/hq")
    assert [asked.open(4, lq_ending="x4").label(index).picture for index in range(4)] == ["a", "b", "c", "more/d"]
    with pytest.raises(UnpairedError, match="8 of 8 do not pair"):
        asked.open(4)


def test_a_damaged_file_is_refused_when_it_is_its_turn_and_never_replaced(pairs):
    (pairs / "lq" / "a.png").write_bytes(b"nothing")
    for word in (f"found={pairs}/lq:{pairs}/hq", f"phone={pairs}/lq"):
        opened = read_set(word).open(4)
        with pytest.raises(ValueError, match=r"a\.png: not a readable image"):
            opened[0]
        assert len(opened) == 4 and opened[1].lq.shape == (3, 40, 48)
        assert Path(opened.label(1).picture).stem == "b"


def test_a_digest_follows_files_and_recipes(pairs):
    asked, made = read_set(f"found={pairs}/lq:{pairs}/hq"), read_set(f"made=synthetic:{pairs}/hq")
    before = set_digest(asked.open(4))
    assert set_digest(asked.open(4)) == before
    assert len({set_digest(made.open(4)), set_digest(made.open(4, recipes=2)), set_digest(made.open(2))}) == 3
    Image.new("RGB", (48, 40)).save(pairs / "lq" / "a.png")
    assert set_digest(asked.open(4)) != before

import json
from contextlib import suppress

import pytest
import torch

from wildsr.apps.degrade import cli as degrade_command
from wildsr.cli import main
from wildsr.degradation import Recipe, degrade, sharpen
from wildsr.images import read_image, to_float, write_image


@pytest.fixture
def pairs(photographs, tmp_path):
    assert main(["degrade", str(photographs), "-o", str(tmp_path / "lq"), "--seed", "1"]) == 0
    return photographs, tmp_path / "lq"


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_each_image_is_degraded_by_its_own_recipe(pairs):
    hq, lq = pairs
    lines = [json.loads(line) for line in (lq / "recipes.jsonl").read_text().splitlines()]
    assert [line["file"] for line in lines] == ["a.png", "b.jpg", "c.webp", "more/d.png"]
    assert len({json.dumps(line["recipe"]) for line in lines}) == 4
    expected = degrade(sharpen(to_float(read_image(hq / "more" / "d.png"))), Recipe.from_dict(lines[3]["recipe"]))
    assert torch.equal(to_float(read_image(lq / "more" / "d.png")), expected)


def test_replay_makes_the_same_files_byte_for_byte(pairs, tmp_path):
    hq, lq = pairs
    call = ["degrade", str(hq), "-o", str(tmp_path / "again"), "--replay", str(lq / "recipes.jsonl")]
    assert main(call) == 0
    assert contents(tmp_path / "again") == contents(lq)


def test_the_seed_and_the_overrides_decide(photographs, tmp_path):
    calls = {"a": ["--seed", "1"], "b": ["--seed", "2"], "c": ["--seed", "1", "degradation=bicubic", "sharpen=none"]}
    for name, words in calls.items():
        assert main(["degrade", str(photographs), "-o", str(tmp_path / name), *words]) == 0
    made = [contents(tmp_path / name)["a.png"] for name in calls]
    assert len(set(made)) == 3


def test_a_recipe_edited_by_hand_is_replayed(pairs, tmp_path):
    hq, lq = pairs
    lines = [json.loads(line) for line in (lq / "recipes.jsonl").read_text().splitlines()]
    steps = {(step["order"], step["op"]): step for step in lines[0]["recipe"]["steps"]}
    steps["final", "jpeg"]["quality"] = 10
    (tmp_path / "edited.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    out = tmp_path / "edited"
    assert main(["degrade", str(hq), "-o", str(out), "--replay", str(tmp_path / "edited.jsonl")]) == 0
    assert (out / "a.png").read_bytes() != (lq / "a.png").read_bytes()
    assert (out / "b.png").read_bytes() == (lq / "b.png").read_bytes()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda line: "no json", "line 2"),
        (lambda line: line.replace("b.jpg", "../../outside.png"), "leads out of"),
        (lambda line: line.replace("b.jpg", "/etc/passwd"), "leads out of"),
        (lambda line: line.replace('"quality": ', '"quality": 1000'), "quality"),
        (lambda line: line.replace('"scale": 4', '"scale": 4, "more": 1'), "more"),
        (lambda line: line.replace('"sharpen": {', '"sharpen": {"x": 1, '), "line 2"),
    ],
)
def test_a_damaged_line_is_named_before_anything_is_written(pairs, tmp_path, capsys, change, words):
    hq, lq = pairs
    lines = (lq / "recipes.jsonl").read_text().splitlines()
    lines[1] = change(lines[1])
    (tmp_path / "bad.jsonl").write_text("\n".join(lines))
    assert main(["degrade", str(hq), "-o", str(tmp_path / "out"), "--replay", str(tmp_path / "bad.jsonl")]) == 1
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_nothing_is_overwritten_unasked(pairs, capsys):
    hq, lq = pairs
    before = contents(lq)
    assert main(["degrade", str(hq), "-o", str(lq), "--seed", "5"]) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert contents(lq) == before


def test_two_images_of_one_name_are_refused(photographs, tmp_path, capsys):
    (photographs / "a.jpg").write_bytes((photographs / "b.jpg").read_bytes())
    assert main(["degrade", str(photographs), "-o", str(tmp_path / "lq")]) == 1
    both = f"a.jpg and a.png would both be written to {tmp_path / 'lq' / 'a.png'}, and a pair is found by its name"
    assert both in capsys.readouterr().err


def test_an_image_too_small_for_the_scale_is_left_out_by_its_name(photographs, tmp_path, capsys):
    write_image(torch.zeros(3, 2, 9), photographs / "tiny.png")
    assert main(["degrade", str(photographs), "-o", str(tmp_path / "lq")]) == 1
    said = capsys.readouterr().err
    assert f"left out: {photographs / 'tiny.png'}: 9 x 2 pixels given, wanted at least 4 a side" in said


def test_hq_files_are_never_replaced(photographs, capsys):
    recipes = ["--recipes", str(photographs / "b.jpg")]
    for words in (["-o", str(photographs)], ["-o", str(photographs / "lq"), *recipes]):
        assert main(["degrade", str(photographs), *words, "--overwrite"]) == 1
        assert capsys.readouterr().err.endswith("is an input; wanted another --output or --recipes\n")
    for name in ("a.png", "more/d.png"):
        (photographs / name).unlink()  # others would not be replaced, but found beside their results the next time
    before = contents(photographs)
    assert main(["degrade", str(photographs), "-o", str(photographs)]) == 1
    assert capsys.readouterr().err == f"error: {photographs} is the folder of the HQ files; wanted another --output\n"
    assert contents(photographs) == before


def test_results_inside_of_the_folder_are_no_input_of_the_next_call(photographs):
    call = ["degrade", str(photographs), "-o", str(photographs / "lq")]
    assert main(call) == 0
    first = contents(photographs)
    assert main([*call, "--overwrite"]) == 0
    assert contents(photographs) == first


def test_a_damaged_image_is_left_out_and_the_others_keep_their_recipes(pairs, tmp_path, capsys):
    hq, lq = pairs
    (hq / "b.jpg").write_bytes((hq / "b.jpg").read_bytes()[:300])
    capsys.readouterr()
    assert main(["degrade", str(hq), "-o", str(tmp_path / "again"), "--seed", "1"]) == 1
    said = capsys.readouterr()
    assert said.err.startswith(f"warning: left out: {hq / 'b.jpg'}") and said.err.strip().count("\n") == 0
    assert "3 of 4 images" in said.out
    whole = (lq / "recipes.jsonl").read_text().splitlines()
    assert (tmp_path / "again" / "recipes.jsonl").read_text().splitlines() == [whole[0], *whole[2:]]
    assert (tmp_path / "again" / "c.png").read_bytes() == (lq / "c.png").read_bytes()


def test_an_interrupted_call_leaves_the_recipes_of_what_is_there(photographs, tmp_path, monkeypatch):
    complete = degrade_command.degrade_file

    def interrupted(source, job, target):
        if source.name == "c.webp":
            raise KeyboardInterrupt
        complete(source, job, target)

    monkeypatch.setattr(degrade_command, "degrade_file", interrupted)
    with suppress(KeyboardInterrupt, SystemExit):
        main(["degrade", str(photographs), "-o", str(tmp_path / "lq")])
    lines = (tmp_path / "lq" / "recipes.jsonl").read_text().splitlines()
    assert [json.loads(line)["file"] for line in lines] == ["a.png", "b.jpg"]


def test_a_folder_that_is_none_is_refused_before_the_work(photographs, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main(["degrade", str(photographs), "-o", str(tmp_path / "file")]) == 1
    assert capsys.readouterr().err.endswith(f"{tmp_path / 'file'} is not a folder that can be written to\n")


ALL = {"motion": "Motion", "defocus": "Defocus", "halo": "Halo", "webp": "Webp", "video": "Video"}


def test_a_set_of_every_operation_is_made_and_made_again_byte_for_byte(photographs, tmp_path, caplog):
    """Also by a plain --replay, which knows the operations by their short names, and says where a build is another."""
    target = "wildsr.degradation.operations"
    words = [f"+degradation.first.{name}={{_target_:{target}.{kind}Spec}}" for name, kind in ALL.items()]
    order = "defocus,motion,blur,resize,halo,noise,jpeg,webp,video"
    words += [f"degradation.first.arrangements=[{{weight:1,order:[{order}]}}]", "degradation.final.jpeg=null"]
    assert main(["degrade", str(photographs), "-o", str(tmp_path / "lq"), *words]) == 0
    text = (tmp_path / "lq" / "recipes.jsonl").read_text()
    for line in text.splitlines():
        steps = [step["op"] for step in json.loads(line)["recipe"]["steps"] if step["order"] == "first"]
        assert steps == order.split(",")
    call = ["degrade", str(photographs), "-o", str(tmp_path / "again"), "--replay"]
    assert main([*call, str(tmp_path / "lq" / "recipes.jsonl")]) == 0
    assert contents(tmp_path / "again") == contents(tmp_path / "lq")
    assert not [message for message in caplog.messages if "pixels may differ" in message]
    (tmp_path / "old.jsonl").write_text(text.replace("libwebp 1", "libwebp 0"))
    assert main([*call, str(tmp_path / "old.jsonl"), "--overwrite"]) == 0
    assert len([message for message in caplog.messages if "pixels may differ" in message]) == 1

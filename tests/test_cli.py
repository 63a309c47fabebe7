"""The commands as a newcomer types them: separate processes only where the process itself is the claim."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

import wildsr as wildsr_package
from wildsr.cli import VERBS, main
from wildsr.images import read_image
from wildsr.networks import CompactNet, save_generator

ROOT = Path(__file__).parents[1]


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    save_generator(CompactNet(scale=2, features=4, convs=1), tmp_path / "small.safetensors")
    return str(tmp_path / "small.safetensors")


def train(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "train.py"), *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


def test_help_names_every_verb(capsys):
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(verb in text for verb in VERBS)


def wildsr(*words, folder):
    """The command in a process of its own: Hydra sets up all of a process's logging anew."""
    call = [sys.executable, "-c", "import sys; from wildsr.cli import main; sys.exit(main())", *words]
    return subprocess.run(call, cwd=folder, capture_output=True, text=True)


def test_train_explains_itself_with_an_example(tmp_path):
    done = wildsr("train", "--help", folder=tmp_path)
    assert done.returncode == 0
    assert "  wildsr train" in done.stdout


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "train"])
def test_each_verb_explains_itself_with_an_example(verb, capsys):
    with pytest.raises(SystemExit) as stop:
        main([verb, "--help"])
    assert stop.value.code == 0
    assert f"  wildsr {verb}" in capsys.readouterr().out


def test_a_misspelt_verb_is_answered_by_the_nearest(capsys):
    assert main(["upscal"]) == 2
    assert capsys.readouterr().err == "error: unknown command 'upscal' (did you mean 'upscale'?)\n"
    assert main(["xyz"]) == 2
    assert capsys.readouterr().err == f"error: unknown command 'xyz' (choose from {', '.join(VERBS)})\n"


def test_version_is_the_packages(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"wildsr {wildsr_package.__version__}\n"


def test_a_wrong_call_is_one_line_and_exit_code_2(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["upscale", "picture.png", "--scale", "large"])
    assert stop.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_an_image_is_upscaled(photographs, tmp_path, weights):
    out = tmp_path / "out" / "large.png"
    assert main(["upscale", str(photographs / "a.png"), "-o", str(out), "--weights", weights]) == 0
    assert read_image(out).shape == (3, 320, 384)


def test_a_folder_is_upscaled_sub_folders_included(photographs, tmp_path, weights):
    assert main(["upscale", str(photographs), "-o", str(tmp_path / "out"), "--weights", weights]) == 0
    names = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.png")}
    assert names == {"a.png", "b.png", "c.png", "more/d.png"}


def test_one_damaged_image_does_not_stop_the_others(photographs, tmp_path, weights, capsys):
    (photographs / "b.jpg").write_bytes(b"broken")
    assert main(["upscale", str(photographs), "-o", str(tmp_path / "out"), "--weights", weights]) == 1
    assert "b.jpg: not a readable image" in capsys.readouterr().err
    assert len(list((tmp_path / "out").rglob("*.png"))) == 3


def test_nothing_is_overwritten_unasked(photographs, tmp_path, weights, capsys):
    target = tmp_path / "there.png"
    target.write_text("mine")
    call = ["upscale", str(photographs / "a.png"), "-o", str(target), "--weights", weights]
    assert main(call) == 1
    assert target.read_text() == "mine"
    assert "--overwrite" in capsys.readouterr().err
    assert main([*call, "--overwrite"]) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere.png", "-o", "x.png"], "nowhere.png: no such file or folder"),
        (["IN/a.png", "-o", "x.xyz"], "no image format '.xyz'"),
        (["IN", "-o", "x.png"], "wanted a folder as output"),
        (["IN/a.png", "-o", "x.png", "--weights", "x4pluss"], "neither a file nor a released network"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_1(photographs, tmp_path, words, message, capsys):
    words = [word.replace("IN", str(photographs)) for word in words]
    words = [str(tmp_path / word) if word.startswith("x.") else word for word in words]
    assert main(["upscale", *words]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not list(tmp_path.glob("x*"))


def test_preview_draws_a_sheet(photographs, tmp_path, capsys):
    sheet = tmp_path / "sheet.png"
    assert main(["preview", str(photographs / "a.png"), "-o", str(sheet), "-n", "2", "degradation=first_order"]) == 0
    with Image.open(sheet) as picture:
        assert picture.width > 3 * 160
    assert main(["preview", "degradation=frist_order", "-o", str(sheet)]) == 2
    assert "nearest: first_order" in capsys.readouterr().err


def test_train_answers_a_typo_in_one_line(tmp_path):
    done = train("experiment=quickstrat", folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: experiment=quickstrat: no such option; nearest: quickstart")
    assert done.stderr.count("\n") == 1
    assert not any(tmp_path.iterdir())


def test_train_answers_a_broken_file_of_ones_own_in_one_line(tmp_path):
    (tmp_path / "mine" / "experiment").mkdir(parents=True)
    file = tmp_path / "mine" / "experiment" / "broken.yaml"
    file.write_text("# @package _global_\nseed: [1\nb: 2\n")
    done = train("--config-dir", str(tmp_path / "mine"), "experiment=broken", folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr == f"error: {file}, line 3: expected ',' or ']', but got ':'\n"


def test_debug_shows_the_traceback_of_trains_line_too(tmp_path):
    done = wildsr("train", "experiment=quickstrat", "--debug", folder=tmp_path)
    assert done.returncode == 2
    said = done.stderr.splitlines()
    assert said[0].startswith("Traceback") and said[-1].startswith("error: experiment=quickstrat: no such option")


def test_train_answers_missing_data_in_one_line(tmp_path):
    done = train("experiment=real_esrgan_plus", folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(
        "error: data.train: data/df2k_ost/train: no such folder; bring the data with: wildsr prepare"
    )
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.glob("runs/*"))


def test_train_answers_a_wrong_time_limit_before_it_starts(tmp_path):
    done = train("experiment=quickstart", "trainer.max_time=abc", folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: trainer.max_time: given 'abc', wanted DD:HH:MM:SS\n"
    assert not list(tmp_path.glob("runs/*"))


def test_train_shows_its_configuration_as_hydra_documents_and_writes_nothing(tmp_path):
    done = train(
        "experiment=quickstart", "stages.gan.lr=5e-5", "--cfg", "job", "--package", "stages.gan", folder=tmp_path
    )
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.startswith("# @package stages.gan\nnumber: 1\n") and "lr: 5.0e-05\n" in done.stdout
    assert not any(tmp_path.iterdir())


def test_train_is_a_verb_that_runs_from_anywhere(photographs, tmp_path):
    words = [
        "data=folder", f"data.train.root='{photographs}'", "data.val=null", "generator=tiny", "loss=no_perceptual",
        "data.crop=64", "data.patch=32", "data.batch_size=1", "stage=psnr", "stages.psnr.iterations=1", "name=mine",
    ]  # fmt: skip
    done = wildsr("train", *words, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs" / "mine" / "psnr" / "generator.safetensors").is_file()
    assert done.stdout.startswith("PSNR stage starts from random weights; 1 iterations (runs/mine/psnr)\n")
    done = wildsr("train", folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: nothing given; wanted for example experiment=quickstart")


def test_train_explains_itself(tmp_path):
    done = train("--help", folder=tmp_path)
    assert done.returncode == 0
    assert "python train.py experiment=quickstart" in done.stdout
    assert "kernels: gaussian_only, mixed, no_sinc" in done.stdout

"""The wheel, installed outside the clone, does what the clone does: no path leads back into it."""

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
import torch

import wildsr
from wildsr.images import read_image
from wildsr.networks import CompactNet, save_generator

ROOT = Path(__file__).parents[1]
SMALL = ["generator=tiny", "generator.weights=null", "discriminator.network.features=4", "data.crop=64",
         "data.patch=32", "data.batch_size=2", "stages.psnr.iterations=1", "stages.gan.iterations=1"]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def bare():
    """Leave no path of the clone in the environment of the programs that run here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONPATH", raising=False)
        yield


@pytest.fixture(scope="module")
def installed(tmp_path_factory, bare):
    """Install the wheel alone in an environment that borrows the packages of this one, but not the clone."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT)], check=True)
    wheel = next(folder.glob("wildsr-*.whl"))
    venv.create(folder / "env", with_pip=False)
    python = folder / "env" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    subprocess.run([*pip, "--python", str(python), "install", "--no-deps", str(wheel)], check=True)
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(subprocess.run([python, "-c", ask], check=True, capture_output=True, text=True).stdout.strip())
    # A folder that a .pth names is searched last, and the .pth files in it, such as the clone's, are not read.
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return python


@pytest.fixture
def run(installed, tmp_path):
    def wildsr_command(*words: str) -> subprocess.CompletedProcess[str]:
        call = [str(installed.parent / "wildsr"), *words]
        done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return done

    return wildsr_command


@pytest.mark.slow
def test_the_wheel_says_its_version_from_where_it_is_installed(installed, run):
    assert run("--version").stdout == f"wildsr {wildsr.__version__}\n"
    where = subprocess.run([installed, "-c", "import wildsr; print(wildsr.__file__)"], capture_output=True, text=True)
    assert Path(where.stdout.strip()).is_relative_to(installed.parents[1])


@pytest.mark.slow
def test_the_wheel_previews_degrades_and_upscales(run, photographs, tmp_path):
    torch.manual_seed(0)
    save_generator(CompactNet(scale=2, features=4, convs=1), tmp_path / "small.safetensors")
    run("preview", str(photographs / "a.png"), "-o", "preview.png")
    assert read_image(tmp_path / "preview.png").ndim == 3
    run("degrade", str(photographs), "-o", "lq")
    assert list((tmp_path / "lq").rglob("*.png"))
    run("upscale", str(photographs / "a.png"), "-o", "large.png", "--weights", "small.safetensors")
    assert read_image(tmp_path / "large.png").shape == (3, 320, 384)


@pytest.mark.slow
def test_the_wheel_trains_on_a_folder_through_both_stages(run, photographs, tmp_path):
    run("train", "experiment=quickstart", "name=mine", "data=folder", f"data.train.root={photographs}",
        f"data.val.root={photographs}", *SMALL)  # fmt: skip
    assert (tmp_path / "runs" / "mine" / "gan" / "generator.safetensors").is_file()
    assert (tmp_path / "runs" / "mine" / "report.html").is_file()

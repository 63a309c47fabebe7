"""Several runs from one command."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
TINY = [
    "experiment=quickstart", "generator=tiny", "generator.weights=null", "discriminator.network.features=4",
    "data.crop=64", "data.patch=32", "data.batch_size=2", "data.val=null", "stage.iterations=1", "stage=psnr",
]  # fmt: skip


def multirun(folder, *words):
    command = [sys.executable, str(ROOT / "train.py"), *words, *TINY]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240)


def test_each_ablation_has_its_folder_and_the_same_command_finds_it_again(tmp_path):
    for words in ("stage starts", "stage: finished"):
        done = multirun(tmp_path, "-m", "ablation=none,no_sinc")
        assert done.returncode == 0, done.stderr
        assert done.stdout.count(words) == 2
    for ablation in ("none", "no_sinc"):
        run = tmp_path / "runs" / "quickstart" / f"ablation={ablation}"
        assert (run / "psnr" / "generator.safetensors").is_file()


def test_a_search_tries_its_values_one_by_one(tmp_path):
    done = multirun(tmp_path, "search=adversarial_weight")
    assert done.returncode == 0, done.stderr
    names = {path.name for path in (tmp_path / "runs" / "quickstart").iterdir() if path.is_dir()}
    assert names == {"loss.adversarial=0.05", "loss.adversarial=0.1", "loss.adversarial=0.2"}

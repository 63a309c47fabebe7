"""Several runs from one command: in this process, by a search, through a cluster's queue."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from submitit.core.utils import FailedJobError

from wildsr.config import conf_folder

ROOT = Path(__file__).parents[1]
TINY = [
    "experiment=quickstart", "generator=tiny", "generator.weights=null", "discriminator.network.features=4",
    "data.crop=64", "data.patch=32", "data.batch_size=2", "data.val=null", "stages.psnr.iterations=1",
    "stages.gan.iterations=1", "stage=psnr",
]  # fmt: skip
SEARCH = [
    "search=weights_and_kernels",
    "loss.perceptual.weight=0",
    "loss.adversarial.weight=0.1",
    "kernels.sinc_prob=0.1",
]


def command(*words):
    return [
        sys.executable,
        str(ROOT / "train.py"),
        *words,
        *(word for word in TINY if key(word) not in map(key, words)),
    ]


def key(word):
    return word.partition("=")[0]


def multirun(folder, *words):
    return subprocess.run(command(*words), cwd=folder, capture_output=True, text=True, timeout=240)


def folders_of(tmp_path):
    return {path.name for path in (tmp_path / "runs" / "quickstart").iterdir() if "=" in path.name}


def test_each_ablation_has_its_folder_and_the_same_command_finds_it_again(tmp_path):
    for words in ("stage starts", "stage: finished"):
        done = multirun(tmp_path, "ablation=none,no_sinc", "-m", "seed=3")  # a flag may stand anywhere
        assert done.returncode == 0, done.stderr
        assert done.stdout.count(words) == 2
        assert "weights_only" not in done.stderr  # Lightning says so of a checkpoint that does not say it
    for ablation in ("none", "no_sinc"):
        run = tmp_path / "runs" / "quickstart" / f"ablation={ablation}"
        assert (run / "psnr" / "generator.safetensors").is_file()


@pytest.mark.slow
def test_a_search_tries_its_values_one_by_one(tmp_path):
    done = multirun(tmp_path, "search=adversarial_weight")
    assert done.returncode == 0, done.stderr
    assert folders_of(tmp_path) == {
        "loss.adversarial.weight=0.05",
        "loss.adversarial.weight=0.1",
        "loss.adversarial.weight=0.2",
    }


def test_a_bad_value_of_a_sweep_is_found_before_the_first_job_starts(tmp_path):
    done = multirun(tmp_path, "-m", "data.batch_size=2,0", "metrics=[psnr_y],[psnr]")
    assert done.returncode == 2
    few = "data.batch_size: given 0, wanted a whole number from 1 to 1000000"
    faults = done.stderr.splitlines()
    assert len(faults) == 2 and "Launching" not in done.stdout
    assert faults[0].startswith("error: metrics: given 'psnr'; choose from psnr_y")
    assert faults[0].endswith("(of data.batch_size=2,metrics=[psnr])")
    assert faults[1] == f"error: {few} (of data.batch_size=0,metrics=[psnr_y]; data.batch_size=0,metrics=[psnr])"
    assert not any(tmp_path.iterdir())


@pytest.mark.slow
def test_a_job_that_fails_is_reported_and_the_others_go_on(tmp_path):
    done = multirun(tmp_path, "-m", "callbacks.divergence.limits.pixel=1e-6,10")
    assert done.returncode == 1
    assert "loss/pixel has run away" in done.stderr
    assert "Traceback" not in done.stderr
    (folder,) = (tmp_path / "runs" / "quickstart").glob("*=10")
    assert (folder / "psnr" / "generator.safetensors").is_file()


@pytest.mark.slow
def test_a_search_goes_on_where_it_was_cut_off(optuna, photographs, tmp_path):
    words = [
        *SEARCH, "data=folder", f"data.train.root={photographs}", f"data.val.root={photographs}",
        "stages.psnr.iterations=2", "stages.gan.iterations=2",
        "hydra.sweeper.n_trials=2",
    ]  # fmt: skip
    run = subprocess.run(
        [w for w in command(*words, "callbacks.stops.max_time=00:00:00:00") if w != "data.val=null"],
        cwd=tmp_path, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert run.returncode == 1
    assert "PSNR stage stopped after iteration 1" in run.stderr and "Traceback" not in run.stderr
    again = [word for word in command(*words) if word != "data.val=null"]
    done = subprocess.run(again, cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert "0 of 2 trials are finished" in done.stdout
    assert "PSNR stage goes on after iteration 1 of" in done.stdout
    study = optuna.load_study(study_name="quickstart", storage=f"sqlite:///{tmp_path}/runs/quickstart/search.db")
    assert [t.state for t in study.trials] == [
        optuna.trial.TrialState.FAIL,
        optuna.trial.TrialState.COMPLETE,
        optuna.trial.TrialState.COMPLETE,
    ]
    assert study.trials[0].params == study.trials[1].params
    assert set(study.trials[0].params) == {"kernels.generalized_iso", "kernels.plateau_iso"}  # the others were given
    assert len(folders_of(tmp_path)) == 2
    finished = subprocess.run(again, cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert finished.returncode == 0, finished.stderr
    assert "2 of 2 trials are finished" in finished.stdout
    assert len(optuna.load_study(study_name="quickstart", storage=study._storage).trials) == 3


@pytest.mark.slow
def test_a_trial_that_fails_is_reported_and_does_not_end_the_search(optuna, photographs, tmp_path):
    words = [
        *SEARCH, "data=folder", f"data.train.root={photographs}", f"data.val.root={photographs}",
        "hydra.sweeper.n_trials=4", "callbacks.divergence.limits.pixel=choice(1e-6,10)",
    ]  # fmt: skip
    run = [word for word in command(*words) if word != "data.val=null"]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert "loss/pixel has run away" in done.stderr
    assert "Traceback" not in done.stderr
    study = optuna.load_study(study_name="quickstart", storage=f"sqlite:///{tmp_path}/runs/quickstart/search.db")
    states = {trial.params["callbacks.divergence.limits.pixel"]: trial.state for trial in study.trials}
    assert len(study.trials) == 4
    assert states == {1e-6: optuna.trial.TrialState.FAIL, 10: optuna.trial.TrialState.COMPLETE}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("objective", "said"),
    [
        ("val/psnr", "objective=val/psnr: no such metric; choose from val/psnr_y, val/ssim_y, val/niqe"),
        ("null", "objective: given null, wanted a value"),
    ],
)
def test_an_impossible_objective_ends_a_search_in_one_line(optuna, tmp_path, objective, said):
    done = multirun(tmp_path, *SEARCH, f"objective={objective}")
    assert done.returncode == 2
    assert done.stderr.splitlines() == [f"error: {said}"]


@pytest.mark.slow
def test_a_job_of_the_queue_runs_and_is_named_as_here(tmp_path):
    done = multirun(tmp_path, "-m", "hydra/launcher=submitit_local", "kernels=no_sinc,mixed")
    assert done.returncode == 0, done.stderr
    assert folders_of(tmp_path) == {"kernels=no_sinc", "kernels=mixed"}
    assert (tmp_path / "runs" / "quickstart" / "kernels=mixed" / "psnr" / "generator.safetensors").is_file()


@pytest.mark.slow
def test_a_job_that_is_warned_saves_and_goes_back_into_the_queue(tmp_path):
    long = [
        "stages.psnr.iterations=100000",
        "stages.gan.iterations=100000",
        "stages.psnr.iterations_per_epoch=100000",
        "stages.gan.iterations_per_epoch=100000",
        "stages.psnr.checkpoint_every=100000",
        "stages.gan.checkpoint_every=100000",
    ]
    words = ["-m", "hydra/launcher=submitit_local", "kernels=no_sinc", *long]
    with subprocess.Popen(command(*words), cwd=tmp_path, stderr=subprocess.DEVNULL) as run:
        queue = tmp_path / "runs" / "quickstart" / ".submitit"
        wait_for(lambda: list(queue.glob("[0-9]*")) and "PSNR stage  " in output(queue, "err"))
        controller = int(next(queue.glob("[0-9]*")).name)
        worker = int(Path(f"/proc/{controller}/task/{controller}/children").read_text(encoding="utf-8").split()[0])
        os.kill(worker, signal.SIGUSR2)  # what submitit asks SLURM to send before the time is up
        wait_for(lambda: re.search("PSNR stage goes on after iteration [1-9]", output(queue, "out")))
        said = output(queue, "err")  # submitit ignores a SIGTERM until training answers it itself
        wait_for(lambda: "PSNR stage  " in output(queue, "err")[len(said) :])
        os.kill(controller, signal.SIGTERM)
        run.wait(timeout=120)


def output(queue, kind):
    return "".join(path.read_text() for path in queue.glob(f"[0-9]*/*.{kind}"))


def wait_for(condition):
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.2)


def test_slurm_is_asked_for_what_the_option_says(tmp_path, monkeypatch):
    for program in ("srun", "sbatch"):  # keeps what it is given, and refuses it
        (tmp_path / program).write_text(f"#!/bin/sh\ncp \"$1\" '{tmp_path}/job'\nexit 1\n")
        (tmp_path / program).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    words = ["hydra/launcher=slurm", "hydra.launcher.gpus_per_node=4", "hydra.launcher.partition=wide", "name=mine"]
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        cfg = compose("train", words, return_hydra_config=True)
    launcher = instantiate(cfg.hydra.launcher)
    launcher.setup(hydra_context=None, task_function=None, config=cfg)
    with pytest.raises(FailedJobError):
        launcher.launch([["name=mine"]], initial_job_idx=0)
    asked = {line.removeprefix("#SBATCH --") for line in (tmp_path / "job").read_text().splitlines()}
    assert asked >= {
        "job-name=wildsr-mine", "nodes=1", "gpus-per-node=4", "ntasks-per-node=4", "cpus-per-task=9", "mem=64GB",
        "time=1440", "partition=wide", "signal=USR2@120",
    }  # fmt: skip
    assert launcher.params["max_num_timeout"] == 20

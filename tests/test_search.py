"""A search goes on with its study on disk, and says in one line what it lacks."""

import logging
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf

from wildsr.apps.evaluate.closing import finite_score, objective_of
from wildsr.config import ConfigError, compose_config, conf_folder
from wildsr.search import Continue, NameJobs, jobs_of


@pytest.fixture
def config(tmp_path):
    sweeper = {
        "study_name": "mine", "storage": f"sqlite:///{tmp_path}/runs/mine/search.db", "n_trials": 5,
        "sampler": {"seed": 3},
    }  # fmt: skip
    return OmegaConf.create({"hydra": {"sweep": {"dir": str(tmp_path / "runs" / "mine")}, "sweeper": sweeper}})


def study_of(optuna, config):
    return optuna.create_study(
        storage=config.hydra.sweeper.storage, study_name="mine", load_if_exists=True, direction="maximize"
    )


def asked(study):
    trial = study.ask()
    trial.suggest_loguniform("loss.adversarial.weight", 0.01, 1.0)
    return trial


def test_the_first_command_finds_its_folder_and_all_trials_to_do(optuna, config, tmp_path):
    Continue().on_multirun_start(config)
    assert (tmp_path / "runs" / "mine").is_dir()
    assert (config.hydra.sweeper.n_trials, config.hydra.sweeper.sampler.seed) == (5, 3)


def test_a_later_command_does_what_is_left_and_first_what_was_cut_off(optuna, config, caplog):
    Continue().on_multirun_start(config)
    study = study_of(optuna, config)
    for value in (20.0, 21.0):
        study.tell(asked(study), value)
    study.tell(asked(study), state=optuna.trial.TrialState.FAIL)
    cut_off = asked(study)  # no answer: the process was killed
    with caplog.at_level(logging.INFO, "wildsr"):
        Continue().on_multirun_start(config)
    assert config.hydra.sweeper.n_trials == 3  # of 5, two are finished
    assert config.hydra.sweeper.sampler.seed != 3  # other draws than the first command's
    assert caplog.messages == ["search mine: 2 of 5 trials are finished"]
    study = study_of(optuna, config)
    states = [trial.state for trial in study.get_trials()]
    assert [state.name for state in states] == ["COMPLETE", "COMPLETE", "FAIL", "FAIL", "WAITING"]
    assert asked(study).params == cut_off.params


def test_a_finished_search_adds_no_trial(optuna, config):
    Continue().on_multirun_start(config)
    study = study_of(optuna, config)
    for _ in range(6):
        study.tell(asked(study), 20.0)
    Continue().on_multirun_start(config)
    assert config.hydra.sweeper.n_trials == 0


def test_a_search_tells_each_trial_in_four_digits_and_the_best_with_its_folder(optuna, config, caplog):
    words = ["experiment=quickstart", "loss.adversarial.weight=0.21839018238", "kernels.sinc_prob=0.1203"]
    words += ["+mine=1", "~callbacks.panels"]  # of every trial, as the experiment
    job = {"num": 2, "config": {"override_dirname": {"exclude_keys": ["experiment", "mine", "callbacks.panels"]}}}
    config = OmegaConf.merge(config, {"objective": "val/psnr_y", "hydra": {"overrides": {"task": words}, "job": job}})
    search = Continue()
    search.on_multirun_start(config)
    study = study_of(optuna, config)
    for value in (26.91834, 20.0):
        study.tell(asked(study), value)
    weight = study.trials[0].params["loss.adversarial.weight"]
    folder = Path(config.hydra.sweep.dir, f"loss.adversarial.weight={weight}")
    folder.mkdir()
    with caplog.at_level(logging.INFO, "wildsr"):
        search.on_job_start(config)
        search.on_job_end(config, JobReturn(status=JobStatus.COMPLETED, _return_value=26.91834))
        search.on_job_end(config, JobReturn(status=JobStatus.FAILED, _return_value=ValueError()))
        search.on_multirun_end(config)
    assert caplog.messages == [
        "trial 3 of 5: loss.adversarial.weight=0.2184, kernels.sinc_prob=0.1203",
        "trial 3 of 5: val/psnr_y 26.92",
        f"best of all trials: val/psnr_y 26.92 with loss.adversarial.weight={weight:.4g}",
        f"best run: {folder}",
    ]


@pytest.mark.parametrize(
    ("option", "group", "name", "package"),
    [
        pytest.param(
            *("search=weights_and_kernels", "sweeper", "optuna.yaml", "hydra-optuna-sweeper"),
            marks=pytest.mark.skipif(sys.version_info >= (3, 13), reason="there is none"),
        ),
        ("hydra/launcher=slurm", "launcher", "submitit_slurm.yaml", "hydra-submitit-launcher"),
    ],
)
def test_without_its_plugin_an_option_names_the_command_that_installs_it(monkeypatch, option, group, name, package):
    compose_config([option])
    monkeypatch.delitem(ConfigStore.instance().repo["hydra"][group], name)
    with pytest.raises(ValueError, match=f"needs: pip install .*{package}") as caught:
        compose_config([option])
    assert "\n" not in str(caught.value)


def words_of(*given):
    """The overrides with which Hydra composes each job of a multirun, besides the job's own."""
    config = OmegaConf.create({"hydra": {"overrides": {"hydra": ["hydra.mode=MULTIRUN"], "task": list(given)}}})
    NameJobs().on_multirun_start(config)
    return list(config.hydra.overrides.hydra)


def name_of(given, job):
    """The name of a job's folder in a multirun, by Hydra itself."""
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        cfg = compose("train", [*words_of(*given)[1:], *job], return_hydra_config=True)
    return cfg.hydra.job.override_dirname


def test_a_job_is_named_by_what_differs():
    given = ["experiment=quickstart", "ablation=none,no_sinc", "stages.gan.lr=1e-4", "data.train.names='[rocket.jpg]'"]
    # Hydra and Optuna may write a value in another way than it was given.
    job = ["experiment=quickstart", "ablation=no_sinc", "stages.gan.lr=0.0001", "data.train.names=[rocket.jpg]"]
    assert name_of(given, job) == "ablation=no_sinc"
    drawn = ["loss.adversarial.weight=0.125", "kernels.sinc_prob=0.1", *job]
    assert name_of(given, drawn) == "ablation=no_sinc,kernels.sinc_prob=0.1,loss.adversarial.weight=0.125"
    assert name_of([], ["degradation=first_order"]) == "degradation=first_order"


def test_every_job_of_a_multirun_is_checked_and_of_a_search_each_value():
    swept = {
        "_target_": "hydra._internal.core_plugins.basic_sweeper.BasicSweeper",
        "params": {"loss.adversarial.weight": "0.05, 0.1", "data.crop": "400,200"},
    }
    given = ["generator=glob(rrdb*)", "data.crop=64", "~callbacks.panels"]
    config = OmegaConf.create({"hydra": {"sweeper": swept, "overrides": {"task": given}}})
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        jobs = jobs_of(config)
    others = ["data.crop=64", "~callbacks.panels=null"]
    assert [(job[0], job[2], [job[1], job[3]]) for job in jobs] == [
        (f"loss.adversarial.weight={weight}", f"generator={generator}", others)
        for weight in ("0.05", "0.1")
        for generator in ("rrdb", "rrdb_6b", "rrdb_dilated")
    ]
    searched = {
        "_target_": "hydra_plugins.hydra_optuna_sweeper.optuna_sweeper.OptunaSweeper",
        "params": {"kernels.sinc_prob": "interval(0.0, 0.3)", "loss.pixel.weight": "tag(log, interval(1, 9))"},
    }
    config = OmegaConf.create({"hydra": {"sweeper": searched, "overrides": {"task": ["seed=choice(1,2)"]}}})
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        assert jobs_of(config) == [
            ["kernels.sinc_prob=0.0", "loss.pixel.weight=1.0", "seed=1"],
            ["kernels.sinc_prob=0.3", "loss.pixel.weight=1.0", "seed=1"],
            ["kernels.sinc_prob=0.0", "loss.pixel.weight=9.0", "seed=1"],
            ["kernels.sinc_prob=0.0", "loss.pixel.weight=1.0", "seed=2"],
        ]


def test_the_objective_is_the_last_stages_score(optuna):
    searched = compose_config(["search=weights_and_kernels"])
    assert searched.evaluate.objective == "val/psnr_y"
    assert objective_of("val/psnr_y", searched.metrics, will_evaluate=True) == "psnr_y"
    assert objective_of("val/niqe", searched.metrics, will_evaluate=True) == "niqe"
    assert objective_of(None, searched.metrics, will_evaluate=False) is None
    scores = {"bicubic": {"niqe": 9.0}, "psnr stage": {"niqe": 8.0}, "gan stage": {"niqe": 7.0}}
    assert finite_score(scores, "gan stage", "niqe") == 7.0
    with pytest.raises(ValueError, match="niqe of the GAN stage: given nan, wanted a finite number"):
        finite_score(scores | {"gan stage": {"niqe": float("nan")}}, "gan stage", "niqe")


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["objective=val/psnr"], "objective=val/psnr: no such metric; choose from val/psnr_y"),
        (["objective=val/psnr_y", "data.val=null"], "wanted compare=true and validation images"),
        (["objective=val/psnr_y", "compare=false"], "wanted compare=true and validation images"),
    ],
)
def test_an_objective_that_no_run_gives_is_refused_before_anything_runs(overrides, words, train, tmp_path):
    small = ["data=photos", "generator=tiny", "loss=no_perceptual", "discriminator.network.features=4"]
    with pytest.raises(ConfigError, match=words):
        train([*small, *overrides], tmp_path / "run")
    assert not (tmp_path / "run").exists()

"""A search goes on with its study on disk, and says in one line what it lacks."""

import json

import optuna
import pytest
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf
from optuna.trial import TrialState

from wildsr.apps.evaluate.judgement import last_score, objective_of
from wildsr.config import WORDS, check, compose_config, label
from wildsr.search import Continue


@pytest.fixture
def config(tmp_path):
    sweeper = {
        "study_name": "mine", "storage": f"sqlite:///{tmp_path}/runs/mine/search.db", "n_trials": 5,
        "sampler": {"seed": 3},
    }  # fmt: skip
    return OmegaConf.create({"hydra": {"sweep": {"dir": str(tmp_path / "runs" / "mine")}, "sweeper": sweeper}})


def study_of(config):
    return optuna.create_study(
        storage=config.hydra.sweeper.storage, study_name="mine", load_if_exists=True, direction="maximize"
    )


def asked(study):
    trial = study.ask()
    trial.suggest_loguniform("loss.adversarial", 0.01, 1.0)
    return trial


def test_the_first_command_finds_its_folder_and_all_trials_to_do(config, tmp_path):
    Continue().on_multirun_start(config)
    assert (tmp_path / "runs" / "mine").is_dir()
    assert (config.hydra.sweeper.n_trials, config.hydra.sweeper.sampler.seed) == (5, 3)


def test_a_later_command_does_what_is_left_and_first_what_was_cut_off(config, capsys):
    Continue().on_multirun_start(config)
    study = study_of(config)
    for value in (20.0, 21.0):
        study.tell(asked(study), value)
    study.tell(asked(study), state=TrialState.FAIL)
    cut_off = asked(study)  # no answer: the process was killed
    Continue().on_multirun_start(config)
    assert config.hydra.sweeper.n_trials == 3  # of 5, two are finished
    assert config.hydra.sweeper.sampler.seed != 3  # other draws than the first command's
    assert "search mine: 2 of 5 trials are finished" in capsys.readouterr().out
    study = study_of(config)
    states = [trial.state for trial in study.get_trials()]
    assert states == [TrialState.COMPLETE] * 2 + [TrialState.FAIL] * 2 + [TrialState.WAITING]
    assert asked(study).params == cut_off.params


def test_a_finished_search_adds_no_trial(config):
    Continue().on_multirun_start(config)
    study = study_of(config)
    for _ in range(6):
        study.tell(asked(study), 20.0)
    Continue().on_multirun_start(config)
    assert config.hydra.sweeper.n_trials == 0


@pytest.mark.parametrize(
    ("option", "group", "name", "package"),
    [
        ("search=weights_and_kernels", "sweeper", "optuna.yaml", "hydra-optuna-sweeper"),
        ("hydra/launcher=slurm", "launcher", "submitit_slurm.yaml", "hydra-submitit-launcher"),
    ],
)
def test_without_its_plugin_an_option_names_the_command_that_installs_it(monkeypatch, option, group, name, package):
    compose_config([option])
    monkeypatch.delitem(ConfigStore.instance().repo["hydra"][group], name)
    with pytest.raises(ValueError, match=f"needs: pip install .*{package}") as caught:
        compose_config([option])
    assert "\n" not in str(caught.value)


def test_sweeps_that_optuna_draws_from_are_understood_and_their_keys_checked():
    check(["search=weights_and_kernels", "loss.pixel=tag(log, interval(0.1, 10))", "kernels=choice(mixed,no_sinc)"])
    check(["hydra/sweeper=optuna", "hydra/sweeper/sampler=random", "data.batch_size=range(2,8)"])
    with pytest.raises(ValueError, match=r"loss\.pixle.*no such key; nearest: loss\.pixel"):
        check(["search=weights_and_kernels", "loss.pixle=interval(0.1, 10)"])
    with pytest.raises(ValueError, match="kernels=no_sink: no such option; nearest: no_sinc"):
        check(["search=weights_and_kernels", "kernels=choice(mixed,no_sink)"])
    with pytest.raises(ValueError, match=r"hydra/launcher/slrum'; wanted one of: basic, .*slurm"):
        check(["hydra/launcher=slrum"])


def test_a_job_is_named_by_what_differs(monkeypatch):
    words = ["-m", "experiment=quickstart", "ablation=none,no_sinc", "stage.lr=1e-4", "~data.val"]
    monkeypatch.setenv(WORDS, json.dumps(words))
    # Hydra and Optuna may write a value in another way than it was given.
    job = ["experiment=quickstart", "ablation=no_sinc", "stage.lr=0.0001", "~data.val="]
    assert label(job) == "ablation=no_sinc"
    drawn = ["loss.adversarial=0.12520653814999466", "kernels.sinc_prob=0.1", *job]
    name, digest = label(drawn).rsplit("_", 1)
    assert name == "loss.adversarial=0.1252,kernels.sinc_prob=0.1,ablation=no_sinc"
    near = [word.replace("0.12520653814999466", "0.12520653814999467") for word in drawn]
    assert label(near) != label(drawn) and label(near).startswith(name) and len(digest) == 8
    assert label(["loss.pixel=1", "degradation=first_order"]) == "loss.pixel=1,degradation=first_order"
    assert len(label([f"loss.pixel={'9' * 200}"])) <= 120


def test_the_objective_is_the_last_stages_score():
    assert objective_of(compose_config(["search=weights_and_kernels"])) == "psnr_y"
    assert objective_of(compose_config(["objective=val/niqe"])) == "niqe"
    assert objective_of(compose_config([])) is None
    scores = {"bicubic": {"niqe": 9.0}, "psnr stage": {"niqe": 8.0}, "gan stage": {"niqe": 7.0}}
    assert last_score(scores, "niqe") == 7.0
    with pytest.raises(ValueError, match="niqe of the gan stage: given nan, wanted a finite number"):
        last_score(scores | {"gan stage": {"niqe": float("nan")}}, "niqe")


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["objective=val/psnr"], "objective=val/psnr: no such metric; wanted one of: val/psnr_y"),
        (["objective=val/psnr_y", "data.val=null"], "wanted compare=true and validation pictures"),
        (["objective=val/psnr_y", "compare=false"], "wanted compare=true and validation pictures"),
    ],
)
def test_an_objective_that_no_run_gives_is_refused(overrides, words):
    with pytest.raises(ValueError, match=words):
        objective_of(compose_config(overrides))

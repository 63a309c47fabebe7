"""What would stop a stage is said for every stage; what lies in a run's folder is read, not touched."""

import pytest

from wildsr.apps.doctor.findings import ERROR, OK, WARNING, unique
from wildsr.apps.doctor.stages import check_folder, check_stages
from wildsr.apps.doctor.weights import check_weights
from wildsr.config import compose_config, stage_config
from wildsr.stage import stage_names


def state(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.fixture
def stages(words, tmp_path):
    def stages_of(*more):
        cfg = compose_config([*words, *more])
        cfg.paths.run = str(tmp_path / "runs" / "sick")
        return [stage_config(cfg, name) for name in stage_names(cfg)]

    return stages_of


SHORT = (
    "stages.psnr.iterations=2",
    "stages.gan.iterations=2",
    "stages.psnr.iterations_per_epoch=1",
    "stages.gan.iterations_per_epoch=1",
    "stages.psnr.checkpoint_every=1",
    "stages.gan.checkpoint_every=1",
    "data.val=null",
    "compare=false",
)


def test_both_stages_are_built_and_nothing_is_written(stages, tmp_path):
    findings, sizes = check_stages(stages(), tmp_path / "runs" / "sick", set())
    assert [finding[:3] for finding in findings] == [(OK, "stages", "psnr and gan can be built")]
    assert list(sizes) == ["psnr", "gan"]
    assert not (tmp_path / "runs").exists()


def test_the_second_stage_is_looked_at_where_the_data_and_the_first_stage_fail(stages, tmp_path):
    wrong = ["data.train.root=/no", "generator.weights=/g.pth", "discriminator.weights=/d.pth"]
    findings, sizes = check_stages(stages(*wrong), tmp_path, set())
    assert not sizes and {finding.level for finding in findings} == {ERROR}
    assert [finding.found.partition(":")[0] for finding in findings] == ["data.train", "/g.pth", "/d.pth"]


def test_a_batch_that_cannot_be_divided_among_the_processes_is_a_fault(stages, tmp_path):
    two = ["trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2", "data.batch_size=3"]
    findings, _ = check_stages(stages(*two), tmp_path, set())
    assert [f.found for f in unique(findings) if f.level == ERROR] == [
        "data.batch_size: given 3, wanted a multiple of 2 processes"
    ]


def test_a_setting_of_a_stage_is_no_fault_of_the_images(stages, tmp_path):
    findings, _ = check_stages(stages("stages.psnr.lr=abc", "stages.gan.lr=abc"), tmp_path, set())
    assert {finding.topic for finding in findings} == {"stages"}


def test_a_callback_that_cannot_be_built_is_said_once(stages, tmp_path):
    findings, _ = check_stages(stages("callbacks.panels.side=0"), tmp_path, set())
    faults = [finding.found for finding in unique(findings) if finding.level == ERROR]
    assert faults == ["callbacks.panels.side: given 0, wanted a whole number from 8 to 100000"]


def test_a_gan_stage_alone_without_a_generator_to_start_from_is_a_fault(stages, tmp_path):
    (fault,), _ = check_stages(stages("stage=gan"), tmp_path / "run", set())
    assert fault.level == ERROR and "starts from the generator of the PSNR stage" in fault.found


def test_a_checkpoint_is_as_large_as_computed(train, stages, words, tmp_path):
    larger = ("generator.network.features=32", "discriminator.network.features=16")
    run = tmp_path / "runs" / "sick"
    _, sizes = check_stages(stages(*larger), run, set())
    train([*words, *larger, *SHORT], run)
    for stage, computed in sizes.items():
        assert computed.checkpoint == pytest.approx((run / stage / "checkpoints" / "last.ckpt").stat().st_size, rel=0.1)
        assert computed.generator == pytest.approx((run / stage / "generator.safetensors").stat().st_size, rel=0.1)


def test_a_stage_that_a_checkpoint_begins_with_needs_no_generator_of_the_one_before(stages, tmp_path):
    _, gan = stages()  # resume=FILE of the GAN stage leaves the first one out
    (found,), _ = check_stages([gan], tmp_path / "other", set())
    assert (found.level, found.found) == (OK, "gan can be built")


def test_a_monitor_that_no_validation_reports_is_a_fault(stages, tmp_path):
    findings, _ = check_stages(stages("callbacks.best.monitor=val/beauty"), tmp_path, set())
    faults = [finding.found for finding in unique(findings) if finding.level == ERROR]
    assert faults == ["callbacks.best.monitor=val/beauty: no such metric; choose from val/psnr_y, val/hard/psnr_y"]


def test_a_term_that_is_null_is_none_and_a_fault_only_where_a_stage_wants_it(stages, tmp_path):
    without = stages("loss.perceptual=null", "stages.gan.losses=[pixel,adversarial]")
    assert check_weights(without) == ([], set())
    (found,), _ = check_stages(without, tmp_path, set())
    assert found.level == OK
    wanted = stages("loss.perceptual=null", "stages.gan.losses=[pixel,perceptual]")
    assert check_weights(wanted) == ([], set())
    (fault,), _ = check_stages(wanted, tmp_path, set())
    assert fault.level == ERROR and "loss.perceptual is no term" in fault.found


@pytest.fixture
def run(train, words, tmp_path):
    """The folder of a psnr stage after its two iterations."""
    train([*words, *SHORT, "stage=psnr"], tmp_path / "run")
    return tmp_path / "run"


def test_a_new_an_interrupted_and_a_finished_stage_are_told_apart(cfg, run, tmp_path):
    before = state(run)
    (found,), done = check_folder([cfg(*SHORT)], tmp_path / "new")
    assert found.found == f"{tmp_path / 'new'}: psnr starts (2 iterations)" and done == {"psnr": 0}
    (found,), done = check_folder([cfg(*SHORT)], run)
    assert found.found == f"{run}: psnr is finished (2 iterations)" and done == {"psnr": 2}
    (found,), done = check_folder([cfg(*SHORT[1:], "stages.psnr.iterations=5")], run)
    assert found.found == f"{run}: psnr goes on after iteration 2 of 5" and done == {"psnr": 2}
    (found,), done = check_folder([cfg("resume=never", *SHORT)], run)
    assert found.found.endswith("psnr starts (2 iterations) anew, what is there is set aside") and done == {"psnr": 0}
    assert state(run) == before


def test_a_run_of_other_settings_is_refused_and_a_damaged_checkpoint_passed_over(cfg, run):
    (fault,), _ = check_folder([cfg("seed=5", *SHORT)], run)
    assert fault.level == ERROR and "was trained with seed=0, now 5" in fault.found
    newest = run / "psnr" / "checkpoints" / "iteration_0000002.ckpt"
    newest.write_bytes(newest.read_bytes()[:1000])  # last.ckpt is the same file
    (found, warning), _ = check_folder([cfg(*SHORT)], run)
    assert found.found.endswith("psnr goes on after iteration 1 of 2")
    assert warning.level == WARNING and "damaged, or no checkpoint" in warning.found

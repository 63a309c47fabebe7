"""A checkpoint is written whole or not at all, by Lightning's own callbacks."""

import os

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from wildsr.training import AtomicCheckpointIO


def test_a_broken_write_leaves_the_old_checkpoint_and_no_part_of_the_new(tmp_path, monkeypatch):
    files, path = AtomicCheckpointIO(), tmp_path / "last.ckpt"
    files.save_checkpoint({"iteration": 1}, path)

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as caught:
        files.save_checkpoint({"iteration": 2}, path)
    assert caught.value.filename == str(path)
    assert [file.name for file in tmp_path.iterdir()] == ["last.ckpt"]
    assert torch.load(path, weights_only=True) == {"iteration": 1}


def test_the_first_write_removes_what_a_killed_process_was_writing(tmp_path):
    (tmp_path / ".last.ckpt.4711.part").write_bytes(b"half")
    files = AtomicCheckpointIO()
    files.save_checkpoint({}, tmp_path / "last.ckpt")
    assert [file.name for file in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_resumed_run_keeps_three_numbered_checkpoints_the_best_and_one_last(data, psnr, trainer, tmp_path):
    """As conf/callbacks/default.yaml has Lightning's callbacks."""

    def fit(steps, resume=None):
        kept = ModelCheckpoint(
            tmp_path / "kept", "iteration_{step:07d}", "step", mode="max", save_top_k=3, save_last="link",
            auto_insert_metric_name=False, enable_version_counter=False, every_n_train_steps=1,
        )  # fmt: skip
        module = psnr()
        made = trainer(steps, kept, enable_checkpointing=True, plugins=[AtomicCheckpointIO()])
        made.fit(module, data(), ckpt_path=resume, weights_only=None if resume is None else True)
        return sorted(file.name for file in (tmp_path / "kept").iterdir())

    assert fit(2) == ["iteration_0000001.ckpt", "iteration_0000002.ckpt", "last.ckpt"]
    last = tmp_path / "kept" / "last.ckpt"
    assert fit(5, last) == [f"iteration_000000{n}.ckpt" for n in (3, 4, 5)] + ["last.ckpt"]
    assert torch.load(last, weights_only=True)["iteration"] == 5

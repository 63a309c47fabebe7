"""The table of the hardest samples names the right ones, with what was done to them."""

import csv

from wildsr.train import train
from wildsr.training import Hardest

TINY = [
    "generator=tiny", "loss=no_perceptual", "data.crop=64", "data.patch=32", "data.batch_size=3", "stage=psnr",
    "data.val=null", "stage.iterations=4", "stage.iterations_per_epoch=2", "compare=false",
    "callbacks.hardest.most=2",
]  # fmt: skip


def test_the_samples_with_the_largest_losses_of_the_last_epoch_are_told(tmp_path, monkeypatch):
    losses = {}
    note = Hardest.on_train_batch_end

    def noting(self, trainer, module, *rest):
        for number, loss in zip(trainer.datamodule.numbers(module.iteration), module.sample_losses, strict=True):
            losses[number] = float(loss)
        note(self, trainer, module, *rest)

    monkeypatch.setattr(Hardest, "on_train_batch_end", noting)
    train(TINY, tmp_path)
    assert sorted(losses) == list(range(12))  # four iterations of three samples, counted from zero
    last = {number: losses[number] for number in range(6, 12)}
    wanted = sorted(last, key=lambda number: -last[number])[:2]
    with (tmp_path / "psnr" / "hardest.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["number"]) for row in rows] == wanted
    assert [float(row["loss"]) for row in rows] == [round(last[number], 5) for number in wanted]
    assert all(row["picture"].endswith((".png", ".jpg")) and "JPEG" in row["recipe"] for row in rows)

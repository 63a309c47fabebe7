"""The table of the hardest samples names the right ones, with what was done to them."""

import csv

import lightning as L

from wildsr.training import HardExamples


class Noted(L.Callback):
    """The loss of each sample, by its number."""

    def __init__(self):
        self.losses = {}

    def on_train_batch_end(self, trainer, module, *_):
        for number, loss in zip(trainer.datamodule.numbers(module.iteration), module.sample_losses, strict=True):
            self.losses[number] = float(loss)


def test_the_samples_with_the_largest_losses_of_the_last_epoch_are_told(data, psnr, trainer, tmp_path):
    noted = Noted()
    trainer(4, HardExamples(tmp_path / "hard.csv", count=2), noted).fit(
        psnr(), data(batch_size=3, iterations_per_epoch=2)
    )
    assert sorted(noted.losses) == list(range(12))  # four iterations of three samples, counted from zero
    last = {number: noted.losses[number] for number in range(6, 12)}
    wanted = sorted(last, key=lambda number: -last[number])[:2]
    with (tmp_path / "hard.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["number"]) for row in rows] == wanted
    assert [float(row["loss"]) for row in rows] == [round(last[number], 5) for number in wanted]
    assert all(row["image"].endswith((".png", ".jpg", ".webp")) and "JPEG" in row["recipe"] for row in rows)

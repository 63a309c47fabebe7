"""What is shown of the losses of several processes is their mean, on the bar as in every logger."""

from types import SimpleNamespace

import torch

from wildsr.training.scalars import mean_scalars


class Strategy:
    """Stands in for two processes, of which the other has values that are larger by 2."""

    asked = 0

    def reduce(self, tensor):
        self.asked += 1
        return (tensor + (tensor + 2)) / 2


def test_scalars_are_means_over_all_processes_by_one_question_for_all_of_them():
    trainer = SimpleNamespace(strategy=Strategy(), world_size=2)
    means = mean_scalars(trainer, {"loss/pixel": torch.tensor(0.25), "loss/adversarial": torch.tensor(0.5)})
    assert {name: float(value) for name, value in means.items()} == {"loss/pixel": 1.25, "loss/adversarial": 1.5}
    assert trainer.strategy.asked == 1

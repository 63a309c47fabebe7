"""What is shown of the losses of several processes is their mean, on the screen as in the curves."""

from types import SimpleNamespace

import torch

from wildsr.training import Curves, ProgressLine


class Strategy:
    """Stands in for two processes, of which the other has losses that are larger by 2."""

    asked = 0

    def reduce(self, tensor):
        self.asked += 1
        return (tensor + (tensor + 2)) / 2


class Logger:
    def log_metrics(self, scalars, step):
        self.scalars = scalars


def shown(rank, capsys):
    """What a process prints and logs of an iteration whose own pixel loss is 0.25, and how often it has asked."""
    strategy, logger = Strategy(), Logger()
    trainer = SimpleNamespace(
        is_global_zero=rank == 0,
        strategy=strategy,
        loggers=[logger],
        optimizers=[],
        datamodule=SimpleNamespace(batch_size=2),
    )
    stage = SimpleNamespace(name="psnr", iterations=10)
    module = SimpleNamespace(iteration=0, stage=stage, scalars={"loss/pixel": torch.tensor(0.25)}, logits=None)
    callbacks = ProgressLine(every=10), Curves(every=10)
    for callback in callbacks:
        callback.on_train_start(trainer, module)
    for module.iteration in (9, 10):
        for callback in callbacks:
            callback.on_train_batch_end(trainer, module)
    return capsys.readouterr().err, logger.scalars["loss/pixel"], strategy.asked


def test_the_progress_line_and_the_curves_show_the_mean_over_all_processes(capsys):
    line, point, _ = shown(0, capsys)
    assert "psnr stage  10/10  pixel 1.25  " in line
    assert point == 1.25


def test_each_process_takes_part_in_the_mean_and_only_when_something_is_shown(capsys):
    for rank in (0, 1):
        line, _, asked = shown(rank, capsys)
        assert asked == 2  # at iteration 10: the line and the curves
        assert bool(line) == (rank == 0)

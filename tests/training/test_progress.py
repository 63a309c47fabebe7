"""Where the output is no terminal, a line now and then."""

import re

from wildsr.training import progress_bar
from wildsr.training.progress import PlainProgress


def test_lines_tell_iterations_losses_and_the_time_left(data, adversarial, trainer, capsys):
    module = adversarial()
    module.origin = {"stage": "gan"}
    bar = progress_bar(every=0.0)
    assert isinstance(bar, PlainProgress)  # a test's output is no terminal
    trainer(3, bar, enable_progress_bar=True, log_every_n_steps=1).fit(module, data())
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("GAN stage  ")]
    losses = "".join(rf"loss/{name} [\d.e-]+  " for name in ("pixel", "adversarial", "discriminator"))
    wanted = rf"GAN stage  {{}}/3  {losses}lr/generator 0.0001  lr/discriminator 0.0001  \d+ s left"
    assert len(lines) == 3
    for number, line in enumerate(lines, 1):
        assert re.fullmatch(wanted.format(number), line), line


def test_between_them_it_is_quiet_but_for_the_last(data, psnr, trainer, capsys):
    trainer(3, PlainProgress(every=100.0), enable_progress_bar=True).fit(psnr(), data())
    assert [line.split("  ")[0] for line in capsys.readouterr().err.splitlines() if "s left" in line] == ["3/3"]

"""What every network can do, by doing it: train, resume, be evaluated, begin another run, be exported, be read.

    python benchmarks/networks.py                 all of them, at tiny sizes: writes the table in docs/networks.md
    python benchmarks/networks.py SPAN SwinIR     some, on the screen

A cell is "yes" or a figure only where it was done; the reason for any other stands below the table.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image

from wildsr.apps.export.bundle import ENDINGS, describe, write_file
from wildsr.config import compose_config
from wildsr.data import sample_photographs
from wildsr.images import read_image, to_float, to_pil
from wildsr.io import first_line
from wildsr.networks import load_generator
from wildsr.train import train

PAGE = Path(__file__).parents[1] / "docs" / "networks.md"
WINDOWS = {"embed_dim": 12, "depths": [2], "num_heads": [2], "window_size": 8, "img_size": 16}
DIRECT = {"upsampler": "pixelshuffledirect"}
NETWORKS: dict[str, tuple[str, dict[str, object]]] = {  # the generator's option, and what makes it small
    "RRDBNet": ("rrdb", {"features": 8, "blocks": 1}),
    "CompactNet": ("tiny", {}),
    "SPAN": ("span", {"feature_channels": 8}),
    "RealPLKSR": ("realplksr", {"dim": 16, "n_blocks": 1}),
    "OmniSR": ("omnisr", {"num_feat": 16, "res_num": 1}),
    "DAT": ("dat_light", {"embed_dim": 32, "depth": [2], "num_heads": [2], "split_size": [8, 16]}),
    "SwinIR": ("SwinIR", {**WINDOWS, **DIRECT, "mlp_ratio": 2}),
    "HAT": ("HAT", {**WINDOWS, "num_feat": 8, "compress_ratio": 3, "squeeze_factor": 3}),
    "MoSR": ("MoSR", {"dim": 16, "n_block": 1}),
    "PLKSR": ("PLKSR", {"dim": 16, "n_blocks": 1}),
    "FDAT": ("FDAT", {"embed_dim": 16, "num_groups": 1, "depth_per_group": 1, "num_heads": 2}),
    "SAFMN": ("SAFMN", {"dim": 12, "n_blocks": 1}),
    "RCAN": ("RCAN", {"n_resgroups": 1, "n_resblocks": 1, "n_feats": 16}),
    "ESRGAN": ("ESRGAN", {"num_filters": 8, "num_blocks": 1}),
}
COLUMNS = ("trains", "resumes", "evaluated", "fine-tunes at x2", *ENDINGS, "spandrel")
VIEWS = [(0, 0, 64, 80), (3, 11, 61, 69), (9, 9, 5, 7), (20, 20, 1, 40), (20, 20, 40, 1), (20, 20, 1, 1)]  # y, x, h, w
LARGE = (133, 200)  # h, w
SEEN, LEVELS = 0.1, 4.0  # least share between black and white, and least deviation of a channel, that prove something
SMALL = [
    "data=folder", "loss=no_perceptual", "discriminator.network.features=4", "data.crop=64", "data.patch=32",
    "data.batch_size=2", "data.val_recipes=1", "data.sets.hard=null", "trainer.log_every_n_steps=1",
    "callbacks.report=null", "metrics=[psnr_y]", "evaluate.write_report=null",
]  # fmt: skip


def words(name: str, root: Path, iterations: int) -> list[str]:
    """Return the overrides for a tiny run."""
    option, small = NETWORKS[name]
    is_preset = option.islower()
    given = [f"generator={option}"] if is_preset else ["generator=spandrel", f"generator.architecture={option}"]
    for key, value in small.items():
        given.append(f"++generator.network.{key}={str(value).replace(' ', '')}")
    return [*given, *lengths(iterations, root)]


def lengths(iterations: int, root: Path) -> list[str]:
    """Return the overrides that any tiny run has."""
    keys = {"iterations": iterations, "iterations_per_epoch": iterations, "checkpoint_every": iterations}
    stages = [f"stages.{stage}.{key}={value}" for stage in ("psnr", "gan") for key, value in keys.items()]
    return [*SMALL, *stages, f"data.train.root='{root}'", f"data.val.root='{root}'"]


def run(overrides: Sequence[str], folder: Path) -> None:
    """Train as the program does."""
    cfg = compose_config(list(overrides))
    cfg.paths.run = str(folder)
    train(cfg)


def try_network(name: str, folder: Path, formats: Sequence[str] = tuple(ENDINGS)) -> dict[str, str]:
    """Do with a network what the columns name; return for each "yes", a figure, or the reason why not."""
    root = photographs(folder / "photographs")
    stage = folder / "run" / "gan"
    file = stage / "generator.safetensors"
    found: dict[str, str] = {}

    def attempt(column: str, work: Callable[[], str]) -> None:
        try:
            found[column] = work()
        except Exception as error:  # whatever it is: the table tells it
            words = re.sub(r"\S*/(?=[\w.]+$|[\w.]+:)", "", first_line(error))  # the folder is a temporary one
            found[column] = f"no: {words[:150] or type(error).__name__}"

    def trains() -> str:
        run([*words(name, root, 2), "evaluate=null"], folder / "run")
        return "yes" if file.is_file() else "no: no file"

    def resumes() -> str:
        run(words(name, root, 3), folder / "run")
        state = torch.load(stage / "checkpoints" / "last.ckpt", weights_only=True)
        return "yes" if state["iteration"] == 3 else f"no: {state['iteration']} iterations"

    def evaluated() -> str:
        return "yes" if '"gan stage"' in (folder / "run" / "scores.json").read_text() else "no: not in scores.json"

    def fine_tunes() -> str:
        start = ["generator=from_file", f"generator.weights='{file}'", "scale=2", "stage=gan", "evaluate=null"]
        run([*lengths(1, root), *start], folder / "again")
        return "yes" if load_generator(folder / "again" / "gan" / file.name).scale == 2 else "no: another scale"

    def spandrel() -> str:
        import spandrel

        lq = views[0][None]
        require_varied(generator, lq[0])
        write_file(generator, folder / "a.pth", {}, [lq[0]])
        with torch.inference_mode():
            given = spandrel.ModelLoader(device="cpu").load_from_file(folder / "a.pth")(lq.clone())  # RCAN changes it
            difference = float((given - generator(lq).clamp(0, 1)).abs().max() * 255)
        return "yes" if difference < 0.01 else f"no: {difference:.3g} levels off"

    attempt("trains", trains)
    attempt("resumes", resumes)
    attempt("evaluated", evaluated)
    attempt("fine-tunes at x2", fine_tunes)
    generator = load_generator(file)
    views = cut_views(root)
    vary(generator, views[0])
    for kind in formats:
        output = folder / f"out{ENDINGS[kind][0]}"
        attempt(kind, lambda output=output: exported(generator, output, views))
    attempt("spandrel", spandrel)
    return found


def exported(generator: torch.nn.Module, file: Path, views: Sequence[torch.Tensor]) -> str:
    """Export and compare on a photograph; return by how many levels it differs at most."""
    require_varied(generator, views[0])
    difference = write_file(generator, file, describe(generator), views).difference
    return f"{difference:.2g}" if difference else "equal"


def require_varied(generator: torch.nn.Module, lq: torch.Tensor) -> None:
    """Refuse a network whose result shows little, once clamped: whatever was exported would be equal to it."""
    with torch.inference_mode():
        sr = generator(lq[None]).clamp(0, 1)
    seen, levels = float(((sr > 0) & (sr < 1)).float().mean()), float(sr.std((-2, -1)).max() * 255)
    if seen < SEEN or levels < LEVELS:
        raise ValueError(f"{seen:.0%} of its result is neither black nor white, of a deviation of {levels:.2g} levels")


@torch.no_grad()
def vary(generator: torch.nn.Module, lq: torch.Tensor) -> None:
    """Give the channels of a network's result on an image (C, h, w) the mean 0.5 and the deviation 0.2 of an image.

    Untrained, many give nearly black. Their last convolution is changed, on whose result all of theirs depends.
    """
    try:
        require_varied(generator, lq)
    except ValueError:
        last = [module for module in generator.modules() if isinstance(module, torch.nn.Conv2d)][-1]
        last.bias.zero_()
        raw = generator.train()(lq[None])[0]
        gain, means = 0.2 / raw.std((-2, -1)).mean(), raw.mean((-2, -1))
        last.weight *= gain
        last.bias.copy_((0.5 - gain * means).repeat_interleave(len(last.bias) // len(means)))
        generator.eval()


def cut_views(root: Path) -> list[torch.Tensor]:
    """Return parts of a photograph, (3, h, w): even, odd, narrower than a window; and all of it, enlarged."""
    image = to_float(read_image(root / "0.png"))
    parts = [image[:, top : top + height, left : left + width] for top, left, height, width in VIEWS]
    return [*parts, F.interpolate(image[None], size=LARGE, mode="bicubic")[0].clamp(0, 1)]


def photographs(folder: Path) -> Path:
    """Write two small photographs."""
    folder.mkdir()
    images = sample_photographs(["chelsea.png", "astronaut.png"])
    for number in range(2):
        to_pil(images[number]).resize((96, 80), Image.Resampling.LANCZOS).save(folder / f"{number}.png")
    return folder


def table(results: dict[str, dict[str, str]]) -> str:
    """Return the table in Markdown, and the reasons below it."""
    lines = ["| network | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for name, found in results.items():
        cells = [re.sub(r"^no: .*", "no", found.get(column, "")) for column in COLUMNS]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    reasons = [
        f"- {name}, {column}: {text.removeprefix('no: ')}"
        for name, found in results.items()
        for column, text in found.items()
        if text.startswith("no: ")
    ]
    return "\n".join([*lines, *(["", "Not done, in the words of the error:", "", *reasons] if reasons else [])])


def main(names: Sequence[str]) -> None:
    logging.basicConfig(level=logging.ERROR)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    os.environ["WILDSR_OFFLINE"] = "1"
    results = {}
    for name in names or NETWORKS:
        with tempfile.TemporaryDirectory() as folder:
            results[name] = try_network(name, Path(folder))
        print(name, results[name], flush=True)
    if not names:
        text = PAGE.read_text()
        start, end = "<!-- make networks -->\n", "<!-- end -->"
        before, rest = text.split(start)
        PAGE.write_text(f"{before}{start}\n{table(results)}\n\n{end}{rest.split(end)[1]}")


if __name__ == "__main__":
    main(sys.argv[1:])

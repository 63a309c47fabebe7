"""Recovery of degradations that `wildsr match` was not told: eight targets and two late ones, and what it is worth.

    python benchmarks/match.py --photos DIR -o match.json       # 2 minutes on one core; goes on where it stopped
    python benchmarks/match.py --photos DIR -o match.json --targets soft scans

    python benchmarks/match.py --photos DIR --train-photos DIR -o match.json --train    # 70 minutes more
    python benchmarks/match.py --photos DIR --train-photos DIR -o match.json --train --targets late_1 late_2

Without --photos the targets are made of astronaut and coffee. Simulation uses twelve other photographs
(`simulation.PHOTOGRAPHS`), and training a third set, so that none has two uses. The figures in docs/match.md are of
Debian's wallpapers, free photographs, fetched and unpacked without being installed:

    apt-get download mate-backgrounds lomiri-wallpapers-16.04
    for file in *.deb; do dpkg -x $file wallpapers; done
    # --photos wallpapers/usr/share/backgrounds/mate/nature
    # --train-photos: wallpapers/usr/share/backgrounds/*.jpg, in a folder of their own

The true noise is the root mean square of luma's difference between an image with its noise and the same without it,
just before it is compressed; what was found is the median of an image's recipes. Errors are medians over the images of
a target. `within` counts images whose noise is right to 15 % or 1 level, `covered` those whose true noise lies in the
middle eight tenths of their recipes, give or take half a level. NOT REACHED: a median is off by more than 5 of JPEG
quality, or by more than 15 % and 1 level of noise.

--train fine-tunes realesr-animevideov3 by L1, batch 8, patch 128, once a seed and pool: released, mild, baseline (the
JPEG that was found, and a bicubic resize), matched, swapped (the next target's matched pool), and true: the target in
our own operations, nothing else mixed in. What several targets share is trained once. Scores are PSNR of RGB on the
middle MIDDLE x MIDDLE pixels of a target's images. A score is kept under a digest of the pool and the photographs it
was trained on: what has changed is trained anew. A run of 200 iterations takes 45 seconds of one core, and there are 26
a seed. What was recovered is kept under the target's name alone: delete the file when the method has changed.

The two late targets are drawn at random, by a seed that is written in match_targets.py, among combinations that the
eight do not hold; they were looked at once, when everything else was settled.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from match_targets import LATE, SCALE, TARGETS, Made, make_target, photographs_of, resized, target_of
from PIL import Image

from wildsr.apps.match.arguments import RECIPES
from wildsr.apps.match.findings import infer, is_clean, measure_files, pool_of, to_lines
from wildsr.apps.match.inference import Inference, summary
from wildsr.apps.match.simulation import simulate
from wildsr.degradation.pool import read_pool
from wildsr.degradation.recipe import Recipe, Step
from wildsr.images import find_images, from_pil, read_image, to_float, to_pil
from wildsr.io import write_whole
from wildsr.networks.weights import load_generator

POOLS = ("bicubic", "start", "released", "mild", "baseline", "matched", "swapped", "true")
UNTRAINED = ("bicubic", "start")
START = "realesr-animevideov3"
MIDDLE, BORDER = 512, 4  # HQ pixels: that are scored; at the border, that no score counts
TRAIN_SIDE = 1024  # HQ pixels: the shorter side of a training photograph, at most
# The median of `phone` and of late targets is an operation of a file beside this one.
OWN_OPERATION = (
    "+degradation.second.median={_target_: match_targets.MedianSpec}",
    "degradation.second.arrangements=[{weight: 1, order: [blur, resize, noise, jpeg, median]}]",
)


def count(marks: Iterable[object]) -> int:
    return sum(map(bool, marks))


def recover(made: list[Made], folder: Path, inference: Inference) -> dict[str, object]:
    """Match a target's folder, and compare with the truth; write its pool beside the folder."""
    findings = infer(measure_files(find_images(folder)), inference)
    folder.with_suffix(".jsonl").write_text(to_lines(pool_of(findings)))
    qualities = [
        (one.image.jpeg.quality if one.image.jpeg else None, truth.jpeg)
        for one, truth in zip(findings, made, strict=True)
    ]
    both = [abs(ours - truth) for ours, truth in qualities if ours is not None and truth is not None]
    noises = [summary(one.posterior.recipes)["noise"] for one in findings]
    errors = [abs(noise[1] - truth.noise) for noise, truth in zip(noises, made, strict=True)]
    allowed = [max(1.0, 0.15 * truth.noise) for truth in made]
    return {
        "jpeg error": float(np.median(both)) if both else None,
        "jpeg wrongly found or missed": count((ours is None) != (truth is None) for ours, truth in qualities),
        "noise true": float(np.median([truth.noise for truth in made])),
        "noise found": float(np.median([noise[1] for noise in noises])),
        "noise error": float(np.median(errors)),
        "noise signed": float(np.median([n[1] - truth.noise for n, truth in zip(noises, made, strict=True)])),
        "noise within": count(error <= limit for error, limit in zip(errors, allowed, strict=True)),
        "noise covered": count(n[0] - 0.5 <= truth.noise <= n[2] + 0.5 for n, truth in zip(noises, made, strict=True)),
        "blur found": float(np.median([summary(one.posterior.recipes)["blur"][1] for one in findings])),
        "halo found": float(np.median([summary(one.posterior.recipes)["halo"][1] for one in findings])),
        "surprising": count(one.posterior.surprise > 1 for one in findings),
        "called clean": bool(is_clean(findings)),
        "images": len(made),
    }


def is_reached(cell: dict[str, object]) -> bool:
    """Return whether the medians are within what was wanted."""
    noise = float(cell["noise error"]) <= max(1.0, 0.15 * float(cell["noise true"]))
    return noise and not cell["jpeg wrongly found or missed"] and float(cell["jpeg error"] or 0) <= 5


def other_than(target: str) -> str:
    """Return the target whose pool is `swapped` for this one: the next of the eight."""
    names = list(TARGETS)
    place = names.index(target) if target in names else LATE.index(target)
    return names[(place + 1) % len(names)]


def pool_file(target: str, pool: str, folder: Path) -> Path | None:
    """Return the file of a pool, written if it is made here; None of one that is no file."""
    if pool not in ("baseline", "matched", "swapped", "true"):
        return None
    if pool == "swapped":
        return folder / f"{other_than(target)}.jsonl"
    matched, file = folder / f"{target}.jsonl", folder / f"{target}_{pool}.jsonl"
    if pool == "matched":
        return matched
    if pool == "true":
        write_pool([target_of(target).steps(np.random.default_rng([3, number])) for number in range(300)], file)
    else:
        kept = [[one for one in recipe.steps if one.order == "final"] for recipe in read_pool(matched, SCALE).recipes]
        write_pool([[resized("bicubic_antialias"), *last] for last in kept], file)
    return file


def write_pool(recipes: list[list[Step]], file: Path) -> None:
    lines = (json.dumps({"recipe": Recipe(SCALE, 0, steps).to_dict()}) for steps in recipes)
    file.write_text("".join(f"{line}\n" for line in lines))


def pool_words(pool: str, file: Path | None) -> list[str]:
    """Return the words of a command that choose a pool."""
    if file is None:
        return [f"degradation={'mild' if pool == 'mild' else 'second_order'}"]
    words = ["degradation=matched", f"degradation.recipes={file}"]
    return words if pool != "true" else [*words, "degradation.share=1", *OWN_OPERATION]


def training_photographs(source: Path, folder: Path) -> Path:
    """Shrink training photographs to at most TRAIN_SIDE, as PNG, once: what they were compressed by goes."""
    made = folder / "training"
    made.mkdir(parents=True, exist_ok=True)
    for file in find_images(source):
        if not (png := made / f"{file.stem}.png").is_file():
            picture = to_pil(read_image(file))
            factor = min(TRAIN_SIDE / min(picture.size), 1.0)
            size = (round(picture.width * factor), round(picture.height * factor))
            picture.resize(size, Image.Resampling.LANCZOS).save(png)
    return made


def run_of(target: str, pool: str, seed: int, iterations: int, folder: Path) -> tuple[str, list[str]]:
    """Return the name of a run, which tells all that decides it, and the words of its command."""
    file, training = pool_file(target, pool, folder), folder / "training"
    content = file.read_bytes() if file else pool.encode()
    shown = "".join(f"{one.name} {one.stat().st_size};" for one in find_images(training))
    digest = hashlib.sha256(content + shown.encode()).hexdigest()[:8]
    # A swapped pool is another target's matched one, and so is its run.
    label = pool if file is None else file.stem if pool in ("baseline", "true") else f"{file.stem}_matched"
    name = f"{label}_{seed}_{iterations}_{digest}"
    words = [
        "experiment=quickstart", "stage=psnr", "data=folder", f"data.train.root={training}",
        "+data.train.cache_size=32", "data.val=null", "data.workers=0", "data.crop=256", "data.patch=128",
        "data.batch_size=8", "evaluate=null", f"seed={seed}", f"stages.psnr.iterations={iterations}",
        f"stages.psnr.iterations_per_epoch={iterations}", f"stages.psnr.checkpoint_every={iterations}",
        f"paths.run={folder / 'runs' / name}", *pool_words(pool, file),
    ]  # fmt: skip
    return name, words


def fine_tune(words: Sequence[str], log: Path) -> None:
    """Run the training program in a child process, which finds torch imported. Raises: RuntimeError."""
    child = multiprocessing.get_context("fork").Process(target=_train, args=(words, log))
    child.start()
    child.join()
    if child.exitcode:
        raise RuntimeError(f"training ended with code {child.exitcode}; see {log}")


def _train(words: Sequence[str], log: Path) -> None:
    from wildsr.train import main

    sys.argv = ["train.py", *words]
    with log.open("w") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
        sys.exit(main())


def score(pool: str, generator: str | Path, files: list[Path], photographs: list[Image.Image]) -> float:
    """Return the mean PSNR of RGB, in dB, over the middles of the images of a target."""
    network, scores = None if pool == "bicubic" else load_generator(generator).eval(), []
    for file, picture in zip(files, photographs, strict=True):
        lq, hq = read_image(file), to_float(from_pil(picture))
        top, left = (max(side - MIDDLE // SCALE, 0) // 2 for side in lq.shape[-2:])
        lq = lq[:, top : top + MIDDLE // SCALE, left : left + MIDDLE // SCALE]
        hq = hq[:, SCALE * top : SCALE * top + MIDDLE, SCALE * left : SCALE * left + MIDDLE]
        if network is None:
            size = (hq.shape[-1], hq.shape[-2])
            sr = to_float(from_pil(to_pil(lq).resize(size, Image.Resampling.BICUBIC)))
        else:
            with torch.no_grad():
                sr = network(to_float(lq)[None])[0].clamp(0, 1)
        error = (sr - hq)[:, BORDER:-BORDER, BORDER:-BORDER]
        scores.append(-10 * float(error.square().mean().log10()))
    return float(np.mean(scores))


def cell_key(target: str, pool: str, run: str, given: argparse.Namespace) -> str:
    return f"{target} {pool} {run} photos={given.photos}"


def train_cells(given: argparse.Namespace, results: dict[str, object], photographs: list[Image.Image]) -> None:
    """Train and score what is not in the results yet, cell by cell, one seed after the other."""
    import wildsr.building
    import wildsr.preflight  # noqa: F401  what a child would import again

    folder = given.output.with_suffix("").resolve()
    training_photographs(given.train_photos, folder)
    (folder / "runs").mkdir(exist_ok=True)
    for seed in given.seeds:
        for target in given.targets:
            files = find_images(folder / target)
            for pool in given.pools:
                run, words = pool, []
                if pool not in UNTRAINED:
                    run, words = run_of(target, pool, seed, given.iterations, folder)
                if (key := cell_key(target, pool, run, given)) in results:
                    continue
                weights = folder / "runs" / run / "psnr" / "generator.safetensors"
                if words and not weights.is_file():
                    fine_tune(words, folder / "runs" / f"{run}.log")
                results[key] = score(pool, START if not words else weights, files, photographs)
                keep(results, given.output)
                print(f"{target:9} {pool:9} seed {seed}: {results[key]:.2f} dB", flush=True)


def keep(results: dict[str, object], file: Path) -> None:
    text = json.dumps(results, indent=1)
    write_whole(file, lambda stream: stream.write(text.encode()))


def table(given: argparse.Namespace, results: dict[str, object]) -> str:
    """Return the scores as a table of Markdown: means over the seeds that are there, and their spread."""
    folder, rows = given.output.with_suffix("").resolve(), []
    for target in given.targets:
        cells = []
        for pool in given.pools:
            runs = [pool] if pool in UNTRAINED else []
            if not runs:
                runs = [run_of(target, pool, seed, given.iterations, folder)[0] for seed in given.seeds]
            keys = [cell_key(target, pool, run, given) for run in runs]
            found = [float(results[key]) for key in keys if key in results]
            spread = f" ± {np.std(found, ddof=1):.2f}" if len(found) > 1 else ""
            cells.append(f"{np.mean(found):.2f}{spread}" if found else "–")
        rows.append([target, *cells])
    lines = [["target", *given.pools], ["---"] * (len(given.pools) + 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def recover_all(given: argparse.Namespace, results: dict[str, object], photographs: list[Image.Image]) -> None:
    """Match the targets that are not in the results yet, and say what was recovered."""
    inference = None
    others = [other_than(name) for name in given.targets] if given.train else []
    for name in dict.fromkeys([*given.targets, *others]):
        key = f"{name} recipes={given.recipes} photos={given.photos}"
        if key not in results:
            inference = inference or Inference(simulate(SCALE, given.recipes))
            folder = given.output.with_suffix("") / name
            results[key] = recover(make_target(name, photographs, folder), folder, inference)
            keep(results, given.output)
        cell = results[key]
        jpeg = "–" if cell["jpeg error"] is None else f"{cell['jpeg error']:.0f}"
        print(
            f"{name:9} jpeg error {jpeg:>2}, wrong {cell['jpeg wrongly found or missed']};"
            f" noise {cell['noise true']:4.1f}"
            f" found {cell['noise found']:4.1f} error {cell['noise error']:4.1f} within {cell['noise within']}"
            f" covered {cell['noise covered']}; blur {cell['blur found']:.2f} halo {cell['halo found']:.2f};"
            f" surprising {cell['surprising']}{'; clean' if cell['called clean'] else ''}"
            f" of {cell['images']}{'' if is_reached(cell) else '  NOT REACHED'}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="HQ photographs for the targets (default: astronaut and coffee)")
    parser.add_argument("--targets", nargs="+", choices=(*TARGETS, *LATE), default=list(TARGETS))
    parser.add_argument("--recipes", type=int, default=RECIPES)
    parser.add_argument("-o", "--output", type=Path, default=Path("match.json"))
    parser.add_argument("--train", action="store_true", help="fine-tune on each pool, too")
    parser.add_argument("--train-photos", type=Path, help="other HQ photographs, for training")
    parser.add_argument("--pools", nargs="+", choices=POOLS, default=list(POOLS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--iterations", type=int, default=200)
    given = parser.parse_args()
    if given.train and given.train_photos is None:
        parser.error("--train needs --train-photos DIR, of photographs that are not among the others")
    results = json.loads(given.output.read_text()) if given.output.is_file() else {}
    photographs = photographs_of(given.photos)
    recover_all(given, results, photographs)
    if given.train:
        train_cells(given, results, photographs)
        print(table(given, results))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()

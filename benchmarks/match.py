"""Recovery of degradations that `wildsr match` was not told: eight targets, half of them made by Pillow and PyAV alone.

    python benchmarks/match.py --photos DIR -o /tmp/match.json       # 2 minutes on one core; goes on where it stopped
    python benchmarks/match.py --photos DIR -o /tmp/match.json --targets soft scans

    python benchmarks/match.py --photos DIR -o /tmp/match.json --targets scans --train --seeds 0    # 3 minutes more

Without --photos the targets are made of astronaut and coffee. Simulation uses twelve other photographs
(`simulation.PHOTOGRAPHS`), so that none has two uses. The true noise is the root mean square of luma's difference
between an image with its noise and the same without it, just before it is compressed; what was found is the median
of an image's recipes. Errors are medians over the images of a target. `within` counts images whose noise is right to
15 % or 1 level, `covered` those whose true noise lies in the middle eight tenths of their recipes, give or take half
a level. NOT REACHED: a median is off by more than 5 of JPEG quality, or by more than 15 % and 1 level of noise.
--train fine-tunes realesr-animevideov3 by L1 on scikit-image's photographs for a few iterations, once a seed and pool:
released, mild, baseline (the JPEG that was found, and a bicubic resize), matched, swapped (the next target's pool) and,
of soft, scans and clean, true; and scores PSNR on the target's images.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageFilter

from wildsr.apps.match.findings import infer, is_clean, measure_files, pool_of, to_lines
from wildsr.apps.match.inference import Inference, summary
from wildsr.apps.match.simulation import simulate
from wildsr.data import Photographs, sample_photographs
from wildsr.degradation import degrade
from wildsr.degradation.operations import (
    Blur,
    BlurSpec,
    FinalResizeSpec,
    Jpeg,
    JpegSpec,
    Noise,
    NoiseSpec,
    Resize,
    Video,
    VideoSpec,
)
from wildsr.degradation.pool import read_pool
from wildsr.degradation.recipe import Recipe, Step
from wildsr.images import find_images, from_pil, read_image, to_float, to_pil, write_whole
from wildsr.networks.weights import load_generator

SCALE, SIDE, IMAGES = 4, 1024, 10  # SIDE in HQ pixels, at most


class Made(NamedTuple):
    """One LQ image: the bytes of its file, its suffix, and the truth: last JPEG quality, noise in levels, recipe."""

    content: bytes
    suffix: str
    jpeg: int | None
    noise: float
    recipe: Recipe | None = None


Maker = Callable[[Image.Image, np.random.Generator], Made]


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def shrunk(hq: Image.Image, way: Image.Resampling, factor: float = 1 / SCALE) -> Image.Image:
    return hq.resize((max(int(hq.width * factor), 1), max(int(hq.height * factor), 1)), way)


def luma(levels: np.ndarray) -> np.ndarray:
    return levels @ np.array([0.299, 0.587, 0.114])


def noise_of(noisy: Image.Image, clean: Image.Image) -> float:
    return float(np.sqrt(((luma(np.asarray(noisy, float)) - luma(np.asarray(clean, float))) ** 2).mean()))


def by_recipe(hq: Image.Image, steps: list[Step], jpeg: int | None) -> Made:
    """Make an image by our own operations, saved as PNG: the JPEG stands in the pixels alone."""
    recipe = Recipe(SCALE, 0, steps)
    return Made(encoded(to_pil(degrade(to_float(from_pil(hq)), recipe)), "PNG"), "png", jpeg, 0.0, recipe)


def resize(mode: str) -> Step:
    return Step("first", FinalResizeSpec, Resize(1.0, mode, "final"))


def soft(hq: Image.Image, rng: np.random.Generator) -> Made:
    quality, sigma = int(rng.integers(35, 56)), float(rng.uniform(0.4, 1.6))
    blur = Step("first", BlurSpec, Blur("iso", 21, sigma_x=sigma))
    return by_recipe(hq, [blur, resize("area"), Step("final", JpegSpec, Jpeg(quality))], quality)


def scans(hq: Image.Image, rng: np.random.Generator) -> Made:
    clean, quality = shrunk(hq, Image.Resampling.BICUBIC), int(rng.integers(88, 96))
    noise = rng.normal(0, rng.uniform(8, 16), (clean.height, clean.width, 1))
    noisy = Image.fromarray((np.asarray(clean, float) + noise).round().clip(0, 255).astype(np.uint8))
    return Made(encoded(noisy, "JPEG", quality=quality), "jpg", quality, noise_of(noisy, clean))


def clean(hq: Image.Image, rng: np.random.Generator) -> Made:
    quality = int(rng.integers(70, 91))
    return by_recipe(hq, [resize("bicubic_antialias"), Step("final", JpegSpec, Jpeg(quality))], quality)


def double(hq: Image.Image, rng: np.random.Generator) -> Made:
    first, last = int(rng.integers(55, 81)), int(rng.integers(75, 93))
    once = Image.open(io.BytesIO(encoded(shrunk(hq, Image.Resampling.LANCZOS), "JPEG", quality=first)))
    return Made(encoded(once, "JPEG", quality=last), "jpg", last, 0.0)


def webp(hq: Image.Image, rng: np.random.Generator) -> Made:
    content = encoded(shrunk(hq, Image.Resampling.BICUBIC), "WEBP", quality=int(rng.integers(40, 81)))
    return Made(content, "webp", None, 0.0)


def enlarged(hq: Image.Image, rng: np.random.Generator) -> Made:
    small, quality = shrunk(hq, Image.Resampling.BICUBIC, 1 / SCALE / rng.uniform(1.4, 2)), int(rng.integers(75, 93))
    again = small.resize((hq.width // SCALE, hq.height // SCALE), Image.Resampling.BICUBIC)
    return Made(encoded(again, "JPEG", quality=quality), "jpg", quality, 0.0)


def h264(hq: Image.Image, rng: np.random.Generator) -> Made:
    video = Video("h264", int(rng.integers(22, 33)), 3, 1.0, 0.0)
    return by_recipe(hq, [resize("lanczos"), Step("final", VideoSpec, video)], None)


def phone(hq: Image.Image, rng: np.random.Generator) -> Made:
    """Make noise that grows with brightness, smoothed by a median, sharpened, at a camera's quality."""
    still, quality = shrunk(hq, Image.Resampling.LANCZOS), int(rng.integers(85, 94))
    levels = np.asarray(still, float)
    noise = rng.normal(0, 1, levels.shape) * np.sqrt(4 + levels * rng.uniform(0.2, 1.0))
    noisy = Image.fromarray((levels + noise).round().clip(0, 255).astype(np.uint8))
    ends = [
        Image.blend(one, one.filter(ImageFilter.MedianFilter(3)), 0.5).filter(ImageFilter.UnsharpMask(1.5, 80, 2))
        for one in (noisy, still)
    ]
    return Made(encoded(ends[0], "JPEG", quality=quality), "jpg", quality, noise_of(*ends))


TARGETS: dict[str, tuple[Maker, str]] = {
    "soft": (soft, "Gaussian 0.4–1.6, area, JPEG 35–55 saved as PNG (ours)"),
    "scans": (scans, "bicubic, grey noise 8–16, JPEG 88–95 (Pillow)"),
    "clean": (clean, "bicubic, JPEG 70–90 saved as PNG (ours)"),
    "double": (double, "Lanczos, JPEG 55–80, then 75–92 (Pillow)"),
    "webp": (webp, "bicubic, WebP 40–80 (Pillow)"),
    "enlarged": (enlarged, "shrunk 5.6–8 times, enlarged, JPEG 75–92 (Pillow)"),
    "h264": (h264, "Lanczos, H.264 CRF 22–32 saved as PNG (ours)"),
    "phone": (phone, "photon noise, median, sharpening, JPEG 85–93 (Pillow)"),
}


def photographs_of(folder: Path | None) -> list[Image.Image]:
    """Return IMAGES parts of HQ photographs, none of which a simulation sees; large ones at half their size."""
    photographs = sample_photographs(["astronaut.png", "coffee.png"]) if folder is None else Photographs(folder)
    rng, found = np.random.default_rng(7), []
    for number in range(IMAGES):
        picture = to_pil(photographs[number % len(photographs)])
        if min(picture.size) >= 1.5 * SIDE:
            picture = picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.LANCZOS)
        width, height = (min(SIDE, side) // SCALE * SCALE for side in picture.size)
        left, top = (
            int(rng.integers(side - kept + 1)) for side, kept in zip(picture.size, (width, height), strict=True)
        )
        found.append(picture.crop((left, top, left + width, top + height)))
    return found


def make_target(name: str, photographs: list[Image.Image], folder: Path) -> list[Made]:
    """Write the images of a target into a folder and return them with the truth."""
    folder.mkdir(parents=True, exist_ok=True)
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4])
    made = [TARGETS[name][0](hq, np.random.default_rng([seed, number])) for number, hq in enumerate(photographs)]
    for number, one in enumerate(made):
        (folder / f"{number:02}.{one.suffix}").write_bytes(one.content)
    return made


def count(marks: Iterable[object]) -> int:
    return sum(map(bool, marks))


def recover(made: list[Made], folder: Path, inference: Inference) -> dict[str, object]:
    """Match a target's folder, and compare with the truth; write its pool beside the folder."""
    findings = infer(measure_files(find_images(folder)), inference)
    folder.with_suffix(".jsonl").write_text(to_lines(pool_of(findings)))
    qualities = [
        (one.jpeg.quality if one.jpeg else None, truth.jpeg) for one, truth in zip(findings, made, strict=True)
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


POOLS = ("released", "mild", "baseline", "matched", "swapped", "true")
BORDER = 4  # pixels that no score counts


def true_steps(target: str, rng: np.random.Generator) -> list[Step]:
    """Draw the steps of a target in our own operations. Raises: KeyError, for one that has none."""
    low, high = {"soft": (35, 55), "scans": (88, 95), "clean": (70, 90)}[target]
    last = Step("final", JpegSpec, Jpeg(int(rng.integers(low, high + 1))))
    if target == "soft":
        return [Step("first", BlurSpec, Blur("iso", 21, sigma_x=float(rng.uniform(0.4, 1.6)))), resize("area"), last]
    noise = Step("first", NoiseSpec, Noise("gaussian", float(rng.uniform(8, 16)), True))
    return [resize("bicubic_antialias"), *([noise] if target == "scans" else []), last]


def pool_words(target: str, pool: str, folder: Path) -> list[str]:
    """Return the words of a command that choose a pool, whose file is written where it is not there yet."""
    if pool in ("released", "mild"):
        return [f"degradation={'mild' if pool == 'mild' else 'second_order'}"]
    names = list(TARGETS)
    matched, file = folder / f"{target}.jsonl", folder / f"{target}_{pool}.jsonl"
    if pool == "matched":
        file = matched
    elif pool == "swapped":
        file = folder / f"{names[(names.index(target) + 1) % len(names)]}.jsonl"
    elif pool == "baseline":
        steps = [[one for one in recipe.steps if one.order == "final"] for recipe in read_pool(matched, SCALE).recipes]
        write_pool([[resize("bicubic_antialias"), *last] for last in steps], file)
    else:
        write_pool([true_steps(target, np.random.default_rng([3, number])) for number in range(300)], file)
    share = ["degradation.share=1"] if pool == "true" else []
    return ["degradation=matched", f"degradation.recipes={file}", *share]


def write_pool(recipes: list[list[Step]], file: Path) -> None:
    lines = (json.dumps({"recipe": Recipe(SCALE, 0, steps).to_dict()}) for steps in recipes)
    file.write_text("".join(f"{line}\n" for line in lines))


def psnr_of(generator: str | Path, files: list[Path], photographs: list[Image.Image]) -> float:
    """Return the mean PSNR of RGB, in dB, over the images of a target."""
    network, scores = load_generator(generator).eval(), []
    for file, picture in zip(files, photographs, strict=True):
        with torch.no_grad():
            sr = network(to_float(read_image(file))[None])[0].clamp(0, 1)
        error = (sr - to_float(from_pil(picture)))[:, BORDER:-BORDER, BORDER:-BORDER]
        scores.append(-10 * float(error.square().mean().log10()))
    return float(np.mean(scores))


def fine_tune(target: str, pool: str, seed: int, iterations: int, folder: Path) -> Path:
    """Fine-tune on a pool by the training program, and return the generator."""
    run = folder / "runs" / f"{target}_{pool}_{seed}_{iterations}"
    words = [
        "experiment=quickstart", "stage=psnr", "data.val=null", "data.workers=0", "data.crop=256", "data.patch=128",
        "data.batch_size=8", f"seed={seed}", f"stages.psnr.iterations={iterations}",
        f"stages.psnr.iterations_per_epoch={iterations}", f"paths.run={run}", *pool_words(target, pool, folder),
    ]  # fmt: skip
    train = Path(__file__).parents[1] / "train.py"
    subprocess.run([sys.executable, str(train), *words], check=True, stdout=subprocess.DEVNULL)
    return run / "psnr" / "generator.safetensors"


def train_cells(given: argparse.Namespace, results: dict[str, object], photographs: list[Image.Image]) -> None:
    """Train and score what is not in the results yet, cell by cell."""
    folder = given.output.with_suffix("").resolve()
    for target in given.targets:
        files = find_images(folder / target)
        cells = [("start", 0), *((pool, seed) for pool in given.pools for seed in given.seeds)]
        for pool, seed in cells:
            key = f"{target} train {pool} seed={seed} iterations={given.iterations} photos={given.photos}"
            if (pool == "true" and target not in ("soft", "scans", "clean")) or key in results:
                continue
            weights: str | Path = "realesr-animevideov3"
            if pool != "start":
                weights = fine_tune(target, pool, seed, given.iterations, folder)
            results[key] = psnr_of(weights, files, photographs)
            text = json.dumps(results, indent=1)
            write_whole(given.output, lambda file, text=text: file.write(text.encode()))
            print(f"{target:9} {pool:9} seed {seed}: {results[key]:.2f} dB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, help="HQ photographs for the targets (default: astronaut and coffee)")
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--recipes", type=int, default=3000)
    parser.add_argument("-o", "--output", type=Path, default=Path("match.json"))
    parser.add_argument("--train", action="store_true", help="fine-tune on each pool, too")
    parser.add_argument("--pools", nargs="+", choices=POOLS, default=list(POOLS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--iterations", type=int, default=200)
    given = parser.parse_args()
    results = json.loads(given.output.read_text()) if given.output.is_file() else {}
    photographs = photographs_of(given.photos)
    inference = None
    for name in given.targets:
        key = f"{name} recipes={given.recipes} photos={given.photos}"
        if key not in results:
            inference = inference or Inference(simulate(SCALE, given.recipes))
            folder = given.output.with_suffix("") / name
            results[key] = recover(make_target(name, photographs, folder), folder, inference)
            text = json.dumps(results, indent=1)
            write_whole(given.output, lambda file, text=text: file.write(text.encode()))
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
    if given.train:
        train_cells(given, results, photographs)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()

"""Where crops come from: what it costs to cut one out of a picture, by how the pictures are kept.

    python benchmarks/store.py                          # a minute on one core, 0.4 GB in a temporary folder
    python benchmarks/store.py --pictures 64 --folder /mnt/disk    # more pictures, on the disk to be judged
    python benchmarks/store.py --million                # how long a million pictures take to open, and in what memory

Every way gives the same crop, (3, S, S) uint8 in memory of its own; which is checked. Time is for one crop, median
of all, with the files in the system's cache (`--cold` drops them before, as root on Linux). "on disk" counts MB a
picture; sub-images cover it with steps of half their side. Ways whose package is not installed are left out:
pip install lmdb zarr tensorstore
"""

import argparse
import importlib.util
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import save_file
from torch import Tensor

from wildsr.apps.prepare.cutting import positions
from wildsr.data import Store, sample_photographs
from wildsr.data.store import HEADER, write_frame
from wildsr.images import from_pil, read_image, to_pil

# P pictures, H W picture, S side of a crop
Crop = Callable[[int, int, int], Tensor]  # (picture, top, left) -> (3, S, S)


def photographs(count: int, width: int, height: int) -> list[Image.Image]:
    """Sample photographs enlarged to W x H, with a little noise, so that they compress as photographs do."""
    names = ["astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg"]
    images, rng = sample_photographs(names), np.random.default_rng(0)
    made = []
    for number in range(count):
        large = to_pil(images[number % len(names)]).resize((width, height), Image.Resampling.BICUBIC)
        made.append(
            Image.fromarray(np.clip(np.asarray(large) + rng.normal(0, 2, (height, width, 3)), 0, 255).astype("u1"))
        )
    return made


def own(levels: np.ndarray | Tensor) -> Tensor:
    """A crop in memory of its own."""
    tensor = torch.from_numpy(np.ascontiguousarray(levels)) if isinstance(levels, np.ndarray) else levels
    return tensor.clone(memory_format=torch.contiguous_format)


def png(folder: Path, pictures: Sequence[Image.Image], side: int) -> Crop:
    for number, picture in enumerate(pictures):
        picture.save(folder / f"{number}.png", compress_level=4)
    return lambda p, top, left: own(read_image(folder / f"{p}.png")[:, top : top + side, left : left + side])


def sub_images(folder: Path, pictures: Sequence[Image.Image], side: int, suffix: str) -> Crop:
    """One file a sub-image; the crop is the sub-image at the place asked for, which is on the grid."""
    for number, picture in enumerate(pictures):
        for top in positions(picture.height, side, side // 2):
            for left in positions(picture.width, side, side // 2):
                piece = picture.crop((left, top, left + side, top + side))
                if suffix == "png":
                    piece.save(folder / f"{number}_{top}_{left}.png", compress_level=4)
                else:
                    from_pil(piece).numpy().tofile(folder / f"{number}_{top}_{left}.raw")

    def crop(p: int, top: int, left: int) -> Tensor:
        path = folder / f"{p}_{top}_{left}.{suffix}"
        return read_image(path) if suffix == "png" else torch.from_numpy(np.fromfile(path, "u1").reshape(3, side, side))

    return crop


def planes(folder: Path, pictures: Sequence[Image.Image], side: int) -> Crop:
    """wildsr's store."""
    path = store_of(folder / "train.store", [from_pil(picture).numpy() for picture in pictures])
    store = Store(path)
    return lambda p, top, left: own(store[p][:, top : top + side, left : left + side])


def store_of(path: Path, pictures: Sequence[np.ndarray]) -> Path:
    rows, end = [], HEADER
    with path.open("w+b") as file:
        file.seek(HEADER)
        for levels in pictures:
            height, width = levels.shape[1:]
            rows.append((end - HEADER, height, width, width, height * width))
            end += file.write(levels.tobytes())
        write_frame(file, np.array(rows), [f"{number}.png" for number in range(len(rows))])
    return path


def interleaved(folder: Path, pictures: Sequence[Image.Image], side: int) -> Crop:
    levels = np.stack([np.asarray(picture) for picture in pictures])
    np.save(folder / "all.npy", levels)
    mapped = np.load(folder / "all.npy", mmap_mode="r")
    return lambda p, top, left: own(mapped[p, top : top + side, left : left + side].transpose(2, 0, 1))


def by_safetensors(folder: Path, pictures: Sequence[Image.Image], side: int) -> Crop:
    save_file({str(n): from_pil(picture).numpy() for n, picture in enumerate(pictures)}, folder / "all.safetensors")
    file = safe_open(folder / "all.safetensors", "np")
    return lambda p, top, left: own(file.get_slice(str(p))[:, top : top + side, left : left + side])


def by_lmdb(folder: Path, pictures: Sequence[Image.Image], side: int) -> Crop:
    import lmdb

    environment = lmdb.open(str(folder / "lmdb"), map_size=1 << 40, readahead=False)
    with environment.begin(write=True) as writing:
        for number, picture in enumerate(pictures):
            writing.put(str(number).encode(), from_pil(picture).numpy().tobytes())
    reading = environment.begin(buffers=True)
    shape = (3, pictures[0].height, pictures[0].width)

    def crop(p: int, top: int, left: int) -> Tensor:
        levels = np.frombuffer(reading.get(str(p).encode()), "u1").reshape(shape)
        return own(levels[:, top : top + side, left : left + side])

    return crop


def by_zarr(folder: Path, pictures: Sequence[Image.Image], side: int) -> Crop:
    import zarr

    shape = (len(pictures), 3, pictures[0].height, pictures[0].width)
    array = zarr.create_array(folder / "zarr", shape=shape, chunks=(1, 3, 256, 256), dtype="u1", compressors=None)
    for number, picture in enumerate(pictures):
        array[number] = from_pil(picture).numpy()
    return lambda p, top, left: own(array[p, :, top : top + side, left : left + side])


def by_tensorstore(folder: Path, pictures: Sequence[Image.Image], side: int) -> Crop:
    import tensorstore

    shape = [len(pictures), 3, pictures[0].height, pictures[0].width]
    metadata = {"shape": shape, "chunks": [1, 3, 256, 256], "dtype": "|u1", "compressor": None}
    kept = {"driver": "file", "path": str(folder / "tensorstore")}
    array = tensorstore.open({"driver": "zarr", "kvstore": kept, "metadata": metadata, "create": True}).result()
    for number, picture in enumerate(pictures):
        array[number] = from_pil(picture).numpy()
    return lambda p, top, left: own(array[p, :, top : top + side, left : left + side].read().result())


WAYS: dict[str, tuple[str, Callable[[Path, Sequence[Image.Image], int], Crop]]] = {
    "PNG, whole pictures": ("", png),
    "PNG, sub-images": ("", lambda *given: sub_images(*given, "png")),
    "plain sub-images": ("", lambda *given: sub_images(*given, "raw")),
    "memory map, planes (the store)": ("", planes),
    "memory map, interleaved (.npy)": ("", interleaved),
    "safetensors, a tensor a picture": ("", by_safetensors),
    "LMDB, a value a picture": ("lmdb", by_lmdb),
    "zarr, chunks of 256": ("zarr", by_zarr),
    "tensorstore, chunks of 256": ("tensorstore", by_tensorstore),
}


def size_of(folder: Path) -> float:
    """MB that the files of a folder take on the disk."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file()) / 1e6


def compare(given: argparse.Namespace) -> None:
    width, height = given.size
    side, rng = given.crop, np.random.default_rng(0)
    pictures = photographs(given.pictures, width, height)
    grid = [positions(length, side, side // 2) for length in (height, width)]
    places = [(int(rng.integers(given.pictures)), *map(int, map(rng.choice, grid))) for _ in range(given.crops)]
    print(f"crops of {side} x {side} out of {given.pictures} pictures of {width} x {height}, {given.crops} of each\n")
    print(f"{'way':33}{'ms a crop':>11}{'slowest 1%':>12}{'MB a picture':>14}")
    for name, (package, way) in WAYS.items():
        if package and importlib.util.find_spec(package) is None:
            print(f"{name:33}{'not installed':>23}")
            continue
        with tempfile.TemporaryDirectory(dir=given.folder) as made:
            crop = way(Path(made), pictures, side)
            os.sync()
            if given.cold:
                Path("/proc/sys/vm/drop_caches").write_text("3")
            spent = []
            for p, top, left in places:
                begin = time.perf_counter()
                levels = crop(p, top, left)
                spent.append(1e3 * (time.perf_counter() - begin))
                expected = from_pil(pictures[p].crop((left, top, left + side, top + side)))
                assert torch.equal(levels, expected) and levels.is_contiguous(), name
            slowest = float(np.quantile(spent, 0.99))
            print(
                f"{name:33}{statistics.median(spent):11.3f}{slowest:12.3f}{size_of(Path(made)) / len(pictures):14.1f}"
            )


def million() -> None:
    """Open a million sub-images of 400 x 400, whose pixels are a hole in the file: a store, and safetensors' header."""
    count, each = 1_000_000, 3 * 400 * 400
    with tempfile.TemporaryDirectory() as made:
        path = Path(made) / "million.store"
        rows = np.tile(np.array([0, 400, 400, 400, 160_000]), (count, 1))
        rows[:, 0] = np.arange(count) * each
        with path.open("w+b") as file:
            file.truncate(HEADER + count * each)
            write_frame(file, rows, [f"{number:06d}_png/s001.png" for number in range(count)])
        opened("the store", lambda: Store(path)[count - 1][:, :8, :8].sum())
        entries = ", ".join(
            f'"{n:06d}_png/s001.png":{{"dtype":"U8","shape":[3,400,400],"data_offsets":[{n * each},{(n + 1) * each}]}}'
            for n in range(count)
        )
        header = f"{{{entries}}}".encode()
        with path.open("wb") as file:
            file.write(len(header).to_bytes(8, "little") + header)
            file.truncate(8 + len(header) + count * each)
        opened("safetensors, a tensor a picture", lambda: safe_open(path, "np").get_slice("000000_png/s001.png"))


def opened(name: str, action: Callable[[], object]) -> None:
    before, begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    try:
        kept = action()
    except Exception as error:
        return print(f"{name:33} refused: {str(error).splitlines()[0]}")
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e3
    print(f"{name:33}{time.perf_counter() - begin:8.3f} s, {grown:6.1f} MB more memory")
    del kept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=8)
    parser.add_argument("--crops", type=int, default=200)
    parser.add_argument("--crop", type=int, default=400, help="side in pixels (%(default)s)")
    parser.add_argument("--size", type=int, nargs=2, default=(2040, 1356), metavar=("W", "H"))
    parser.add_argument("--folder", help="where the files are made (the system's temporary folder)")
    parser.add_argument("--cold", action="store_true", help="drop the system's cache before each way is timed")
    parser.add_argument("--million", action="store_true", help="open a million pictures instead")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.million:
        million()
    else:
        compare(given)


if __name__ == "__main__":
    main()

import hashlib
import json
import multiprocessing
import pickle
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch.utils.data import DataLoader

from wildsr.data import Batch, Pairs, Photographs, Samples, Store, fingerprint, large_enough
from wildsr.data.store import HEADER, write_frame
from wildsr.degradation import DegradationSpec


def made(path: Path, images: list[torch.Tensor], names: list[str], rows: list[tuple[int, ...]] | None = None) -> Path:
    """A store of whole images, one behind the other; or with an index of its own."""
    found, start = [], 0
    with path.open("w+b") as file:
        file.write(bytes(HEADER))
        for image in images:
            height, width = image.shape[1:]
            found.append((start, height, width, width, height * width))
            start += file.write(image.numpy().tobytes())
        write_frame(file, np.array(rows or found), names)
    return path


@pytest.fixture
def pair(photographs):
    """The same four photographs as files and as a store."""
    files = Photographs(photographs)
    names = [path.relative_to(photographs).as_posix() for path in files.paths]
    return files, Store(made(photographs.parent / "train.store", [files[i] for i in range(4)], names))


def samples(images):
    return Samples(images, DegradationSpec(), crop=64, patch=32, seed=3)


def test_a_store_gives_the_images_of_its_files_and_their_names(pair):
    files, store = pair
    assert len(store) == len(files) == 4 and store.names == ["a.png", "b.jpg", "c.webp", "more/d.png"]
    assert all(torch.equal(store[i], files[i]) for i in range(4))
    assert store.smallest() == (160, store.root / "a.png") and store.name(3) == "more/d.png"
    with pytest.raises(IndexError):
        store[4]


def test_the_pairs_of_a_run_are_bit_for_bit_those_from_files(pair):
    files, store = pair
    for number in range(24):
        one, same = samples(store)[number], samples(files)[number]
        assert one.params == same.params and torch.equal(one.hq, same.hq)
    spec = DegradationSpec(scale=3)
    assert all(torch.equal(Pairs(store, spec)[i][0], Pairs(files, spec)[i][0]) for i in range(4))


@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])  # imports torch anew
def test_workers_open_the_store_for_themselves_and_give_the_same_pairs(pair, method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} on this system")
    files, store = pair
    loader = DataLoader(
        samples(store), batch_size=4, sampler=range(4), collate_fn=Batch.collate, num_workers=1,
        multiprocessing_context=method,
    )  # fmt: skip
    batch = next(iter(loader))
    assert torch.equal(batch.hq, torch.stack([samples(files)[number][0] for number in range(4)]))


def test_a_store_travels_to_a_process_as_its_path(pair):
    sent = pickle.dumps(pair[1])
    assert len(sent) < 1000 and torch.equal(pickle.loads(sent)[3], pair[1][3])


@pytest.mark.parametrize("crop", [64, 160])
def test_a_crop_is_a_copy_in_memory_of_its_own(tmp_path, crop):
    image = torch.randint(256, (3, 160, 160), dtype=torch.uint8)
    store = Store(made(tmp_path / "one.store", [image], ["a.png"]))
    for number in range(8):
        hq = Samples(store, DegradationSpec(), crop=crop, patch=32, seed=0)[number].hq
        hq.fill_(0)  # into the file's own pages it would end the process
        assert hq.untyped_storage().nbytes() == 3 * crop * crop
    assert torch.equal(store[0], image)


def test_windows_of_one_canvas_take_no_room_of_their_own(tmp_path):
    canvas = torch.randint(256, (3, 20, 30), dtype=torch.uint8)
    corners = [(0, 0), (4, 10), (12, 22)]
    rows = [(top * 30 + left, 8, 8, 30, 600) for top, left in corners]
    store = Store(made(tmp_path / "windows.store", [canvas], ["1", "2", "3"], rows))
    for number, (top, left) in enumerate(corners):
        assert torch.equal(store[number], canvas[:, top : top + 8, left : left + 8])


def test_a_list_names_the_images_that_are_taken(pair, tmp_path):
    files, store = pair
    (tmp_path / "list.txt").write_text("more/d.png\na.png\n")
    chosen = Store(store.root, names=str(tmp_path / "list.txt"))
    assert chosen.names == ["more/d.png", "a.png"] and torch.equal(chosen[0], files[3])
    assert pickle.loads(pickle.dumps(chosen)).names == chosen.names
    with pytest.raises(ValueError, match=r"train\.store: no image 'e\.png' in this store"):
        Store(store.root, names=["e.png"])


def test_names_are_decoded_once_so_that_a_selection_of_many_images_is_known_by_them_soon(tmp_path):
    count = 16_000
    rows = [(0, 8, 8, 8, 64)] * (count - 1) + [(0, 4, 4, 8, 64)]
    names = [f"{number:06d}_png/s001.png" for number in range(count)]
    store = Store(made(tmp_path / "many.store", [torch.zeros(3, 8, 8, dtype=torch.uint8)], names, rows))
    selected = Samples(large_enough(store, 8), DegradationSpec(), crop=8, patch=8, seed=0)
    begin = time.perf_counter()
    listed = "".join(f"{name}\n" for name in names[:-1])
    assert fingerprint(selected) == hashlib.sha256(listed.encode()).hexdigest()
    assert time.perf_counter() - begin < 2  # all names for each one took 7 seconds
    assert store.names is store.names


def test_a_store_is_a_safetensors_file(pair):
    with safe_open(pair[1].root, "np") as file:
        assert sorted(file.keys()) == ["index", "names", "pixels"]
        assert file.get_tensor("index").tolist()[1] == [3 * 160 * 192, 160, 192, 192, 160 * 192]


def memory() -> int:
    """Bytes of this process that are its own, as Linux counts them."""
    fields = dict(line.split(":") for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines())
    return int(fields["RssAnon"].split()[0]) * 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's count of memory")
def test_a_million_images_open_in_two_seconds_and_no_memory(tmp_path):
    count, each = 1_000_000, 3 * 400 * 400
    rows = np.tile(np.array([0, 400, 400, 400, 160_000]), (count, 1))
    rows[:, 0] = np.arange(count) * each
    with (tmp_path / "million.store").open("w+b") as file:
        file.truncate(HEADER + count * each)  # a hole of 480 GB, that takes no room
        write_frame(file, rows, [f"{number:06d}_png/s001.png" for number in range(count)])
    del rows
    before, begin = memory(), time.perf_counter()
    store = Store(tmp_path / "million.store")
    assert len(store) == count and store[count - 1].sum() == 0
    assert time.perf_counter() - begin < 2
    assert memory() - before < 5_000_000


# ---- Damage, each answered in one line ----


def refused(path: Path) -> str:
    with pytest.raises(ValueError) as caught:
        Store(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("kept", [0, 5, 300, HEADER, HEADER + 1000, -1])
def test_a_store_cut_short_anywhere_is_refused(pair, kept):
    root = pair[1].root
    content = root.read_bytes()[:kept]
    root.unlink()  # not over the pages that are mapped
    root.write_bytes(content)
    assert "no store, damaged or cut short" in refused(root)


def test_a_store_that_grew_is_refused(pair):
    with pair[1].root.open("ab") as file:
        file.write(b"x")
    assert "no store, damaged or cut short" in refused(pair[1].root)


def test_other_files_and_other_versions_are_refused(pair, tmp_path):
    root = pair[1].root
    content = root.read_bytes().replace(b'"version": "1"', b'"version": "2"')
    (tmp_path / "later.store").write_bytes(content)
    assert "given '2', wanted a wildsr store of version 1" in refused(tmp_path / "later.store")
    (tmp_path / "weights.store").write_bytes((2).to_bytes(8, "little") + b"{}")
    assert "given None, wanted a wildsr store" in refused(tmp_path / "weights.store")
    (tmp_path / "photo.store").write_bytes((root.parent / "photographs" / "a.png").read_bytes())
    assert "no store" in refused(tmp_path / "photo.store")
    with pytest.raises(ValueError, match="no such file; make it with"):
        Store(tmp_path / "nowhere.store", hint="make it with: wildsr prepare df2k_ost --store")
    with pytest.raises(ValueError, match=r"^~\$nowhere: no such file"):
        Store("~$nowhere")


def test_a_header_that_describes_something_else_is_refused(pair, tmp_path):
    content = pair[1].root.read_bytes()
    header = json.loads(content[8:HEADER])
    header["index"]["shape"] = [header["index"]["shape"][0] * 5]
    (tmp_path / "flat.store").write_bytes(
        content[:8] + json.dumps(header).encode().ljust(HEADER - 8) + content[HEADER:]
    )
    assert "damaged store (index is I64 [20])" in refused(tmp_path / "flat.store")


@pytest.mark.parametrize("row", [(10**9, 8, 8, 8, 64), (0, 8, 8, 8, 10**9), (-9, 8, 8, 8, 64), (0, -8, 8, 8, 64)])
def test_an_index_that_leads_out_of_the_file_is_damage_and_no_crash(tmp_path, row):
    image = torch.zeros(3, 8, 8, dtype=torch.uint8)
    store = Store(made(tmp_path / "bad.store", [image], ["a.png"], [row]))
    with pytest.raises(ValueError, match=r"bad\.store: damaged store: no such pixels for image 0"):
        store[0]

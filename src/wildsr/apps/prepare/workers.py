"""Many images prepared side by side, in the worker processes of a DataLoader, and how much room they will take."""

from __future__ import annotations

import io
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from typing import Any, TypeVar

from torch.utils.data import DataLoader, Dataset

from wildsr.apps.prepare.cutting import PNG_LEVEL, Box, Task, decode, pieces
from wildsr.images import file_state
from wildsr.io import UserError

T = TypeVar("T")
SAMPLED = 8  # images looked at for the estimate of the room; decoding them takes a second
MARGIN = 1.1  # on that estimate: a sample errs


class TaskDataset(Dataset[tuple[int, Any]]):
    """A function's results by number; what a user can mend is a result, for DataLoader would make a page of it."""

    def __init__(self, function: Callable[[Task], Any], tasks: Sequence[Task]) -> None:
        self.function, self.tasks = function, tasks

    def __len__(self) -> int:
        return len(self.tasks)

    def __getitem__(self, number: int) -> tuple[int, Any]:
        try:
            return number, self.function(self.tasks[number])
        except (UserError, OSError, MemoryError) as error:
            return number, error


def run_tasks(function: Callable[[Task], T], tasks: Sequence[Task], workers: int) -> Generator[tuple[Task, T]]:
    """Call `function` with every task in `workers` processes, or in this one; results come as they are finished.

    Raises:
        UserError: a process died, or memory ran out.
        OSError: a file cannot be written.
    """
    workers = min(workers, len(tasks))
    options: dict[str, Any] = {"collate_fn": as_it_is, "batch_size": None, "in_order": False}
    if workers > 1:
        # Not fork: a copy of a process that has used OpenMP may hang. The fork server imports torch once for all.
        methods = multiprocessing.get_all_start_methods()
        context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
        if context.get_start_method() == "forkserver":
            context.set_forkserver_preload([__name__])
        options |= {"num_workers": workers, "multiprocessing_context": context, "worker_init_fn": begin_worker}
    try:
        for number, result in DataLoader(TaskDataset(function, tasks), **options):
            if isinstance(result, Exception):
                raise result
            yield tasks[number], result
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, RuntimeError) and (workers <= 1 or str(error).startswith("Caught ")):
            raise  # a bug, of the function; a worker hands its traceback on
        raise UserError(
            "a process that cuts images died, perhaps for want of memory; fewer than "
            f"--workers {workers} need less, and the same command continues"
        ) from None


def as_it_is(result: T) -> T:
    """Return what is given, not as tensors: those would travel through /dev/shm, which is small in containers."""
    return result


def begin_worker(number: int) -> None:
    """Leave Ctrl-C to the process that started this one; where that one is killed, end too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with_parent, daemon=True).start()


def end_with_parent() -> None:
    """End this process with its parent: DataLoader's own watch would wait for a reader of the last result."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def space_needed(tasks: Sequence[Task], packed: bool) -> float:
    """Estimate the bytes that the outputs of `tasks` will take, from a few of the images, evenly spread."""
    sample = [tasks[len(tasks) * place // SAMPLED] for place in range(SAMPLED)] if len(tasks) > SAMPLED else tasks
    sizes = [size for task in sample if (size := size_of(task, packed)) is not None]
    return MARGIN * len(tasks) * sum(sizes) / len(sizes) if sizes else 0.0


def size_of(task: Task, packed: bool) -> float | None:
    """Estimate the bytes of an image's outputs, as files from a square of its middle; None: it is damaged."""
    if task.plan is None and not packed:
        return file_state(task.source).st_size
    image = decode(task.source)
    if isinstance(image, str):
        return None
    made = pieces(task.key, *image.size, task.plan)
    if packed:
        return sum(3 * width * height for width, height, _ in made)
    boxes = [box for *_, cut in made for _, box in cut]
    middle = made[0][2][len(made[0][2]) // 2][1]
    file = io.BytesIO()
    image.crop(middle).save(file, "PNG", compress_level=PNG_LEVEL)
    return file.tell() / area(middle) * sum(map(area, boxes))


def area(box: Box) -> int:
    left, top, right, bottom = box
    return (right - left) * (bottom - top)

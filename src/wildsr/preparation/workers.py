"""Many pictures prepared side by side in processes, and how much room they will take."""

from __future__ import annotations

import io
import multiprocessing
import os
import signal
import threading
from collections.abc import Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice

import torch

from wildsr.preparation.cutting import PNG_LEVEL, Job, Outcome, copies, decode, prepare, squares

SAMPLED = 8  # pictures looked at for the estimate of the room; decoding them takes a second
MARGIN = 1.1  # on that estimate: a sample errs


def run(jobs: Sequence[Job], workers: int) -> Generator[tuple[Job, Outcome]]:
    """Prepare pictures in `workers` processes, one of them in this one; they come as they are finished.

    Raises:
        ValueError: a process died, or memory ran out.
        OSError: a file cannot be written.
    """
    try:
        if min(workers, len(jobs)) <= 1:
            for job in jobs:
                yield job, prepare(job)
        else:
            yield from _side_by_side(jobs, workers)
    except (BrokenProcessPool, MemoryError):
        raise ValueError(
            "a process that cuts pictures died, perhaps for want of memory; fewer than "
            f"--workers {workers} need less, and the same command continues"
        ) from None


def _side_by_side(jobs: Sequence[Job], workers: int) -> Generator[tuple[Job, Outcome]]:
    # Not fork: a copy of a process that has used OpenMP may hang. The fork server imports torch once for all.
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    if context.get_start_method() == "forkserver":
        context.set_forkserver_preload([__name__])
    pool = ProcessPoolExecutor(min(workers, len(jobs)), context, _begin_worker)
    waiting = iter(jobs)
    running: dict[Future[Outcome], Job] = {}
    try:
        # A few jobs a worker are under way, not a million at once.
        for job in islice(waiting, 4 * workers):
            running[pool.submit(prepare, job)] = job
        while running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                done = running.pop(future)
                for job in islice(waiting, 1):
                    running[pool.submit(prepare, job)] = job
                yield done, future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _begin_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this one
    torch.set_num_threads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Where the parent is killed nobody tells its workers, and they would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def space_needed(jobs: Sequence[Job]) -> float:
    """About how many bytes the outputs of `jobs` will take, from a few of the pictures, evenly spread."""
    sample = [jobs[len(jobs) * place // SAMPLED] for place in range(SAMPLED)] if len(jobs) > SAMPLED else jobs
    sizes = [size for job in sample if (size := _size_of(job)) is not None]
    return MARGIN * len(jobs) * sum(sizes) / len(sizes) if sizes else 0.0


def _size_of(job: Job) -> float | None:
    """Bytes of a picture's outputs, by how far a square from its middle compresses; None: it is damaged."""
    if job.plan is None:
        return job.source.stat().st_size
    picture = decode(job.source)
    if isinstance(picture, str):
        return None
    width, height = picture.size
    left, top = max(width - job.plan.size, 0) // 2, max(height - job.plan.size, 0) // 2
    middle = picture.crop((left, top, min(left + job.plan.size, width), min(top + job.plan.size, height)))
    file = io.BytesIO()
    middle.save(file, "PNG", compress_level=PNG_LEVEL)
    pixels = sum(
        (right - left) * (bottom - top)
        for _, w, h in copies(width, height, job.plan.scales)
        for _, (left, top, right, bottom) in squares(w, h, job.plan)
    )
    return len(file.getvalue()) / (middle.width * middle.height) * pixels

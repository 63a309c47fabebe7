"""Many images prepared side by side, in processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import TypeVar

import torch

from wildsr.apps.prepare.cutting import Task
from wildsr.io import UserError

T = TypeVar("T")
UNDER_WAY = 2  # tasks a process: one more than it works on, so that it never waits, and results do not fill the memory


def run_tasks(function: Callable[[Task], T], tasks: Sequence[Task], workers: int) -> Generator[tuple[Task, T]]:
    """Call `function` with every task in `workers` processes, or in this one; results come as they are finished.

    Raises:
        UserError: a process died, or memory ran out.
        whatever `function` raises.
    """
    workers = min(workers, len(tasks), 61 if os.name == "nt" else workers)  # more a pool does not take on Windows
    try:
        if workers > 1:
            yield from run_in_processes(function, tasks, workers)
        else:
            yield from ((task, function(task)) for task in tasks)
    except (BrokenProcessPool, MemoryError):
        raise UserError(
            "a process that cuts images died, perhaps for want of memory; fewer than "
            f"--workers {workers} need less, and the same command continues"
        ) from None


def run_in_processes(function: Callable[[Task], T], tasks: Sequence[Task], workers: int) -> Generator[tuple[Task, T]]:
    """Do what `run_tasks` does in processes of their own; at its end, or where it is closed, they end too."""
    methods = multiprocessing.get_all_start_methods()
    # Not fork: a copy of a process that has used OpenMP may hang. The fork server imports torch once for all.
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    if context.get_start_method() == "forkserver":
        context.set_forkserver_preload([__name__])
    pool = ProcessPoolExecutor(workers, context, begin_worker)
    waiting, running = iter(tasks), dict[Future[T], Task]()
    try:
        while True:
            free = UNDER_WAY * workers - len(running)
            running |= {pool.submit(function, task): task for task in islice(waiting, free)}
            if not running:
                return
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(done), done.result()
    finally:
        pool.shutdown(cancel_futures=True)


def begin_worker() -> None:
    """Leave Ctrl-C to the process that started this one; where that one is killed, end too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with_parent, daemon=True).start()
    torch.set_num_threads(1)  # each process has one core


def end_with_parent() -> None:
    """End this process with its parent: it would wait for tasks for ever, since it can write to their queue itself."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)

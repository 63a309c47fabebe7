"""Tasks in processes: each done once, and what goes wrong in one of them is told here."""

import operator
import os
from concurrent.futures.process import _RemoteTraceback

import pytest

from wildsr.apps.prepare.workers import run_tasks
from wildsr.io import UserError


@pytest.mark.parametrize("workers", [1, 2])
def test_every_task_is_done_once(workers):
    assert sorted(run_tasks(operator.neg, range(20), workers)) == [(task, -task) for task in range(20)]


def test_a_process_that_dies_is_one_line_that_says_what_to_do():
    with pytest.raises(UserError, match=r"a process that cuts images died, .*; fewer than --workers 2 need less"):
        list(run_tasks(os._exit, [1, 1], 2))


def test_a_bug_in_a_process_keeps_its_kind_and_its_traceback():
    with pytest.raises(ValueError, match="invalid literal") as caught:
        list(run_tasks(int, ["1", "x"], 2))
    assert not isinstance(caught.value, UserError) and isinstance(caught.value.__cause__, _RemoteTraceback)


def test_what_was_begun_is_finished_and_no_more_where_the_caller_stops():
    tasks = run_tasks(operator.neg, range(1000), 2)
    next(tasks)
    tasks.close()
    assert list(tasks) == []

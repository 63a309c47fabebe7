"""One process at a time in a folder; whoever comes second is told who is there, and a killed one leaves no lock."""

import errno
import os
import re
import signal
import socket
import subprocess
import sys
import time

import pytest
from filelock import FileLock

from wildsr.locking import HOLDER, LOCK, lock_folder

HOLD = """
import sys, time
from pathlib import Path
from wildsr.locking import lock_folder
with lock_folder(Path(sys.argv[1]), "train.py"):
    print("held", flush=True)
    time.sleep(60)
"""

FORK = """
import os, sys, time
from pathlib import Path
from wildsr.locking import lock_folder
with lock_folder(Path(sys.argv[1]), "train.py"):
    if not os.fork():
        sys.stdout.write(f"{os.getpid()}\\n")
        sys.stdout.flush()
    time.sleep(60)
"""


@pytest.fixture
def other(tmp_path):
    """Another process that holds the lock of `tmp_path`/run; it imports no torch."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "run")], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_the_second_process_in_a_folder_is_told_who_holds_it(tmp_path, other):
    with (
        pytest.raises(ValueError, match=r"another train\.py is at work there") as caught,
        lock_folder(tmp_path / "run", "train.py"),
    ):
        pass
    since = r"since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}"
    who = rf"\(process {other.pid} on {re.escape(socket.gethostname())}, {since}\)"
    assert re.search(who, str(caught.value))
    assert "\n" not in str(caught.value)


def test_a_second_training_in_a_runs_folder_moves_and_writes_nothing(train, tmp_path, other):
    folder = tmp_path / "run"
    (folder / "psnr").mkdir()
    (folder / "psnr" / "kept").touch()
    for words in (["resume=never"], []):
        with pytest.raises(ValueError, match=f"another train.py is at work there .process {other.pid} "):
            train(["generator=tiny", "stage=psnr", "data.val=null", *words], folder)
    assert {path.name for path in folder.rglob("*")} == {LOCK, HOLDER, "psnr", "kept"}


def test_a_killed_process_leaves_no_stale_lock(tmp_path, other):
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert (tmp_path / "run" / HOLDER).is_file()
    with lock_folder(tmp_path / "run", "train.py"):
        assert f"process {os.getpid()} " in (tmp_path / "run" / HOLDER).read_text()
    assert not list((tmp_path / "run").iterdir())


def test_a_killed_process_whose_forked_worker_lives_on_leaves_no_stale_lock(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", FORK, str(tmp_path / "run")], stdout=subprocess.PIPE, text=True)
    worker = int(process.stdout.readline())
    process.kill()
    process.wait()
    try:
        with lock_folder(tmp_path / "run", "train.py"):
            os.kill(worker, 0)  # it is there
    finally:
        os.kill(worker, signal.SIGKILL)


def test_a_requeued_job_waits_for_its_first_start_to_end(tmp_path, other):
    begin = time.monotonic()
    other.terminate()
    with lock_folder(tmp_path / "run", "train.py", wait=30):
        assert time.monotonic() - begin < 20


def test_a_lock_leaves_nothing_behind_where_nothing_was_written(tmp_path):
    with lock_folder(tmp_path / "new", "train.py"):
        assert (tmp_path / "new").is_dir()
    assert not (tmp_path / "new").exists()
    with lock_folder(tmp_path / "new", "train.py"):
        (tmp_path / "new" / "file").touch()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["file"]


def test_a_file_system_without_locks_is_a_warning(tmp_path, monkeypatch, caplog):
    def none(self, *_, **__):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(FileLock, "acquire", none)
    with lock_folder(tmp_path, "train.py"):
        pass
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert caplog.messages[0].startswith(f"{tmp_path}: its file system has no locks (No locks available)")

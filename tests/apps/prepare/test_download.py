"""A local server that does what servers do to long downloads, and what `fetch` makes of it."""

import hashlib
import http.server
import socket
import threading
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from wildsr.apps.prepare import disk
from wildsr.apps.prepare.download import RefusedError, fetch

CONTENT = np.random.default_rng(0).bytes(100_000)
OTHER = np.random.default_rng(1).bytes(100_000)
SHA256 = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
QUICK = {"attempts": 3, "pause": 0.0, "timeout": 2.0}


@dataclass
class Server:
    """What the next answers are like; `asked` holds the Range and If-Range headers that came."""

    content: bytes = CONTENT
    breaks: list[int] = field(default_factory=list)  # bytes after which each of the next answers breaks off
    statuses: list[int] = field(default_factory=list)  # of the next answers, before anything else
    ranges: bool = True
    conditions: bool = True  # whether If-Range is heeded
    etag: str | None = '"one"'
    modified: str | None = None
    length: int | None = None  # what Content-Length says of a whole answer; None: the truth; -1: nothing
    stalls: bool = False  # instead of breaking off
    shift: int = 0  # how many bytes before the one asked for a range begins
    chunked: bool = False  # without a length, in one chunk
    asked: list[tuple[str | None, str | None]] = field(default_factory=list)
    url: str = ""

    def answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        wanted, condition = request.headers["Range"], request.headers["If-Range"]
        self.asked.append((wanted, condition))
        if self.statuses:
            return request.send_error(self.statuses.pop(0))
        same = condition is None or not self.conditions or condition in (self.etag, self.modified)
        start = int(wanted[6:-1]) - self.shift if wanted and self.ranges and same else None
        total = len(self.content)
        if start is not None and start >= total:
            request.send_response(416)
            request.send_header("Content-Range", f"bytes */{total}")
            return request.end_headers()
        body = self.content[start or 0 :]
        request.send_response(200 if start is None else 206)
        if start is not None:
            request.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        announced = self.length if start is None and self.length is not None else len(body)
        for name, value in (("ETag", self.etag), ("Last-Modified", self.modified)):
            if value:
                request.send_header(name, value)
        if self.chunked:
            request.send_header("Transfer-Encoding", "chunked")
        elif announced >= 0:
            request.send_header("Content-Length", str(announced))
        request.end_headers()
        if self.chunked:
            body = f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
            announced = -1
        end = self.breaks.pop(0) if self.breaks else len(body)
        request.wfile.write(body[: min(end, announced if announced >= 0 else end)])
        if self.stalls and end < len(body):
            threading.Event().wait(1.0)


@pytest.fixture
def server():
    state = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.close_connection = True
            state.answer(self)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        listening.daemon_threads = True
        threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True).start()
        state.url = f"http://127.0.0.1:{listening.server_port}/set.zip"
        yield state
        listening.shutdown()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_whole_answer_is_one_request_and_leaves_only_the_file(server, tmp_path):
    seen = []
    fetch(server.url, tmp_path / "in" / "set.zip", digest=SHA256, report=lambda have, total: seen.append((have, total)))
    assert (tmp_path / "in" / "set.zip").read_bytes() == CONTENT
    assert names(tmp_path / "in") == ["set.zip"] and server.asked == [(None, None)]
    assert seen[-1] == (100_000, 100_000)


def test_what_is_there_is_not_fetched(server, tmp_path):
    (tmp_path / "set.zip").write_bytes(b"mine")
    fetch(server.url, tmp_path / "set.zip", digest=SHA256)
    assert (tmp_path / "set.zip").read_bytes() == b"mine" and not server.asked


def test_a_transfer_that_breaks_off_goes_on_where_it_stopped(server, tmp_path):
    server.breaks = [30_000, 20_000]
    fetch(server.url, tmp_path / "set.zip", **QUICK)
    assert (tmp_path / "set.zip").read_bytes() == CONTENT
    assert server.asked == [(None, None), ("bytes=30000-", '"one"'), ("bytes=50000-", '"one"')]


def test_a_later_call_goes_on_where_an_earlier_one_gave_up(server, tmp_path):
    server.breaks = [40_000, 0, 0, 0]
    with pytest.raises(RefusedError, match="3 times in a row, at byte 40000 of 100000; the same command continues"):
        fetch(server.url, tmp_path / "set.zip", **QUICK)
    assert names(tmp_path) == ["set.zip.part", "set.zip.part.json"]
    server.asked.clear()
    fetch(server.url, tmp_path / "set.zip", **QUICK)
    assert (tmp_path / "set.zip").read_bytes() == CONTENT and server.asked == [("bytes=40000-", '"one"')]


def test_progress_renews_the_patience(server, tmp_path):
    server.breaks = [10_000] * 9
    fetch(server.url, tmp_path / "set.zip", **QUICK)
    assert (tmp_path / "set.zip").read_bytes() == CONTENT and len(server.asked) == 10


def test_crumbs_do_not_renew_the_patience_for_ever(server, tmp_path):
    server.breaks = [10] * 1000
    with pytest.raises(RefusedError, match="broke off"):
        fetch(server.url, tmp_path / "set.zip", **QUICK)
    assert len(server.asked) == 3


def test_a_server_without_ranges_is_asked_from_the_start(server, tmp_path):
    server.ranges, server.breaks = False, [60_000]
    fetch(server.url, tmp_path / "set.zip", **QUICK)
    assert (tmp_path / "set.zip").read_bytes() == CONTENT


def test_a_server_without_ranges_that_always_breaks_off_is_given_up(server, tmp_path):
    server.ranges, server.breaks = False, [60_000] * 100
    with pytest.raises(RefusedError, match="3 times in a row"):
        fetch(server.url, tmp_path / "set.zip", **QUICK)
    assert len(server.asked) == 4  # the first one brought something new


@pytest.mark.parametrize("validators", [('"one"', '"two"'), (None, None)], ids=["etag", "last-modified"])
def test_a_file_that_changes_in_between_is_fetched_anew(server, tmp_path, validators):
    server.etag, server.modified, server.breaks = validators[0], "Mon, 01 Jan 2024 00:00:00 GMT", [30_000, 0, 0, 0]
    with pytest.raises(RefusedError):
        fetch(server.url, tmp_path / "set.zip", **QUICK)
    server.content, server.etag, server.modified = OTHER, validators[1], "Tue, 02 Jan 2024 00:00:00 GMT"
    fetch(server.url, tmp_path / "set.zip", **QUICK)
    assert (tmp_path / "set.zip").read_bytes() == OTHER


def test_a_change_is_seen_even_where_the_server_ignores_the_condition(server, tmp_path):
    server.breaks, server.conditions = [30_000, 0, 0, 0], False
    with pytest.raises(RefusedError):
        fetch(server.url, tmp_path / "set.zip", **QUICK)
    server.content, server.etag = OTHER, '"two"'
    fetch(server.url, tmp_path / "set.zip", **QUICK)
    assert (tmp_path / "set.zip").read_bytes() == OTHER


def test_without_validators_a_change_of_length_is_seen(server, tmp_path):
    server.breaks, server.etag = [30_000, 0, 0, 0], None
    with pytest.raises(RefusedError):
        fetch(server.url, tmp_path / "set.zip", **QUICK)
    server.content = OTHER[:90_000]
    fetch(server.url, tmp_path / "set.zip", **QUICK)
    assert (tmp_path / "set.zip").read_bytes() == OTHER[:90_000]


def test_a_weak_tag_is_not_sent_as_a_condition(server, tmp_path):
    server.etag, server.breaks = 'W/"one"', [30_000]
    fetch(server.url, tmp_path / "set.zip", **QUICK)
    assert server.asked[1] == ("bytes=30000-", None) and (tmp_path / "set.zip").read_bytes() == CONTENT


def test_a_length_announced_too_short_is_found_by_the_published_one(server, tmp_path):
    server.length = 60_000
    fetch(server.url, tmp_path / "set.zip", size=100_000, **QUICK)
    assert (tmp_path / "set.zip").read_bytes() == CONTENT and len(server.asked) == 2


def test_a_length_announced_too_long_ends_with_what_there_is(server, tmp_path):
    server.length = 150_000
    fetch(server.url, tmp_path / "set.zip", **QUICK)
    assert (tmp_path / "set.zip").read_bytes() == CONTENT and server.asked[1][0] == "bytes=100000-"


def test_a_length_that_never_comes_is_given_up(server, tmp_path):
    server.length, server.ranges = 150_000, False
    with pytest.raises(RefusedError, match="at byte 100000 of 150000"):
        fetch(server.url, tmp_path / "set.zip", **QUICK)


def test_without_a_length_the_end_of_the_answer_is_the_end(server, tmp_path):
    server.length = -1
    fetch(server.url, tmp_path / "set.zip", digest=SHA256, **QUICK)
    assert (tmp_path / "set.zip").read_bytes() == CONTENT


def test_without_a_length_an_answer_that_breaks_off_is_not_the_file(server, tmp_path):
    server.chunked, server.breaks = True, [40_000]
    fetch(server.url, tmp_path / "set.zip", **QUICK)
    assert (tmp_path / "set.zip").read_bytes() == CONTENT and len(server.asked) == 2


def test_a_range_that_begins_elsewhere_is_not_taken(server, tmp_path):
    server.breaks, server.shift = [40_000], 1000
    fetch(server.url, tmp_path / "set.zip", **QUICK)
    assert (tmp_path / "set.zip").read_bytes() == CONTENT
    assert [wanted for wanted, _ in server.asked] == [None, "bytes=40000-", None]


def test_no_more_than_the_published_length_is_taken(server, tmp_path):
    server.content = CONTENT + OTHER
    fetch(server.url, tmp_path / "set.zip", size=100_000, digest=SHA256, **QUICK)
    assert (tmp_path / "set.zip").read_bytes() == CONTENT


def test_a_damaged_file_is_set_aside_and_the_next_call_fetches_anew(server, tmp_path):
    server.content = OTHER
    with pytest.raises(ValueError, match=rf"sha256 is {hashlib.sha256(OTHER).hexdigest()}, wanted {SHA256[7:]}"):
        fetch(server.url, tmp_path / "set.zip", digest=SHA256, **QUICK)
    assert (tmp_path / "set.zip.damaged").read_bytes() == OTHER and not (tmp_path / "set.zip").exists()
    server.content = CONTENT
    fetch(server.url, tmp_path / "set.zip", digest=SHA256, **QUICK)
    assert (tmp_path / "set.zip").read_bytes() == CONTENT


def test_an_md5_digest_is_checked_too(server, tmp_path):
    fetch(server.url, tmp_path / "set.zip", digest=f"md5:{hashlib.md5(CONTENT).hexdigest()}", **QUICK)
    assert (tmp_path / "set.zip").exists()


def test_a_busy_server_is_asked_again_and_a_refusal_is_final(server, tmp_path):
    server.statuses = [503, 429]
    fetch(server.url, tmp_path / "set.zip", **QUICK)
    server.statuses, server.asked = [404], []
    with pytest.raises(RefusedError, match="the server answers 404"):
        fetch(server.url, tmp_path / "other.zip", **QUICK)
    assert len(server.asked) == 1


def test_a_server_that_falls_silent_counts_as_broken_off(server, tmp_path):
    server.stalls, server.breaks = True, [30_000]
    fetch(server.url, tmp_path / "set.zip", **QUICK | {"timeout": 0.2})
    assert (tmp_path / "set.zip").read_bytes() == CONTENT


def test_a_server_that_is_not_there_is_one_line(tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/set.zip"
        with pytest.raises(RefusedError, match=r"refused, 3 times in a row, at byte 0 of unknown"):
            fetch(url, tmp_path / "set.zip", **QUICK)


def test_bytes_of_unknown_origin_are_not_continued(server, tmp_path):
    (tmp_path / "set.zip.part").write_bytes(OTHER[:50_000])
    fetch(server.url, tmp_path / "set.zip", **QUICK)
    assert (tmp_path / "set.zip").read_bytes() == CONTENT and server.asked == [(None, None)]


def test_too_small_a_disk_is_told_before_the_bytes_come(server, tmp_path, monkeypatch):
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 70_000}))
    with pytest.raises(ValueError, match=r"downloading set\.zip takes about 100\.0 kB, and 70\.0 kB is free there"):
        fetch(server.url, tmp_path / "set.zip", **QUICK)

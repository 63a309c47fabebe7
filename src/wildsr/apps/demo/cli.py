"""`wildsr demo`: a page on this machine, to try an upscaler and a degradation with the mouse."""

from __future__ import annotations

import argparse
import logging
import os
import socket
import tempfile
from collections.abc import Sequence
from pathlib import Path

from wildsr.apps.demo.arguments import LOOPBACK
from wildsr.io import UserError
from wildsr.networks.released import GENERATORS

log = logging.getLogger(__name__)

LARGEST_FILE = "32mb"  # of an upload
WAITING = 8  # jobs, one of which is worked on


def main(given: argparse.Namespace) -> int:
    """Serve the page until Ctrl-C. Returns the exit code."""
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

"""Pages of HTML that need no network, with their images, styles and script inside."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from wildsr.io import write_whole

TEMPLATES = Path(__file__).parent / "templates"


def write_html(file: Path, template: str, **content: Any) -> None:
    """Write a page, whole or not at all. Its content is escaped, and its policy lets nothing run but its own script.

    Raises:
        OSError: the page cannot be written.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = (TEMPLATES / "script.js").read_text(encoding="utf-8")
    text = environment.get_template(template).render(
        **content,
        script=script,
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        style=(TEMPLATES / "style.css").read_text(encoding="utf-8"),
        written=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    )
    write_whole(file, lambda stream: stream.write(text.encode()))

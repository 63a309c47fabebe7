"""Pages of HTML that need no network, with their images, styles and script inside."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).parent / "templates"
# Of a chart, in pixels of its viewBox
WIDTH, HEIGHT = 360, 220  # fills a third of a wide page, and a phone's width
LEFT, RIGHT, TOP, BOTTOM = 58, 344, 20, 182  # of the plot itself, with room for labels and names around it
FRAME = (WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM)


def render(template: str, **content: Any) -> str:
    """Render a page. Whatever is put into it is escaped, and its policy lets nothing run but its own script."""
    script = (TEMPLATES / "script.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        _environment()
        .get_template(template)
        .render(
            **content,
            script=script,
            script_digest=digest,
            style=(TEMPLATES / "style.css").read_text(encoding="utf-8"),
            written=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        )
    )


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["frame"] = FRAME
    return environment

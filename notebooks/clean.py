"""Bring the executed notebooks of this folder into the form in which they are kept: python notebooks/clean.py

Their results stay, so that a forge shows them: printed text, tables, and images made small. Progress and warnings
(stderr) go, and so do the names of temporary folders. Cells are numbered in their order, and the JSON is laid out in
one way, so that a change of a cell shows as a change of its lines.
"""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

from PIL import Image

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
WIDTH = 720  # pixels: about as wide as forges show a notebook
QUALITY, COLOURS = 60, 48  # of a JPEG; of a PNG: the smaller of the two is kept
TEMPORARY = re.compile(r"(?:/[\w.+-]+)+/wildsr_\w{8}\b")  # a temporary folder of a notebook


def cleaned(text: str) -> str:
    """Return a notebook (nbformat 4) as it is kept."""
    cells, executed = [], 0
    for number, given in enumerate(json.loads(text)["cells"], start=1):
        executed += given["cell_type"] == "code"
        cells.append(cell(number, executed, given))
    notebook = {"cells": cells, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def cell(number: int, executed: int, given: dict[str, Any]) -> dict[str, Any]:
    """Return a cell with its results alone; code cells count as `executed` one after the other."""
    kept: dict[str, Any] = {"cell_type": given["cell_type"], "id": f"{number:02}", "metadata": {}}
    if given["cell_type"] == "code":
        outputs = [output(one, executed) for one in given["outputs"] if one.get("name") != "stderr"]
        kept = {"cell_type": "code", "execution_count": executed, "id": f"{number:02}", "metadata": {}}
        kept["outputs"] = outputs
    return kept | {"source": lines(given["source"])}


def output(given: dict[str, Any], executed: int) -> dict[str, Any]:
    """Return a result without the machine it was made on.

    Raises:
        ValueError: the cell failed.
    """
    kind = given["output_type"]
    if kind == "error":
        raise ValueError(f"cell {executed} failed: {given['evalue']}")
    if kind == "stream":
        return {"name": "stdout", "output_type": "stream", "text": lines(given["text"])}
    texts = {name: lines(content) for name, content in given["data"].items() if name.startswith("text/")}
    images = {name: content for name, content in given["data"].items() if name in ("image/jpeg", "image/png")}
    count = {"execution_count": executed} if kind == "execute_result" else {}
    return {**count, "data": small(images) | texts, "metadata": {}, "output_type": kind}


def lines(given: str | list[str]) -> list[str]:
    """Return a text by its lines."""
    return TEMPORARY.sub("/tmp/wildsr", "".join(given)).splitlines(keepends=True)


def small(images: dict[str, str | list[str]]) -> dict[str, str]:
    """Return the one form of an image that is kept: at most WIDTH wide, as JPEG or as a PNG of few colours."""
    if not images:
        return {}
    contents = {name: "".join(content).strip() for name, content in images.items()}
    name = "image/png" if "image/png" in contents else "image/jpeg"
    with Image.open(io.BytesIO(base64.b64decode(contents[name]))) as image:
        if len(contents) == 1 and image.width <= WIDTH and (image.format == "JPEG" or image.mode == "P"):
            return contents  # kept already
        shown = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA")).convert("RGB")
    if shown.width > WIDTH:
        shown = shown.resize((WIDTH, round(shown.height * WIDTH / shown.width)), Image.Resampling.LANCZOS)
    jpeg, png = io.BytesIO(), io.BytesIO()
    shown.save(jpeg, "JPEG", quality=QUALITY, optimize=True)
    shown.quantize(COLOURS, dither=Image.Dither.NONE).save(png, "PNG", optimize=True)
    name, best = min((("image/jpeg", jpeg), ("image/png", png)), key=lambda one: len(one[1].getvalue()))
    return {name: base64.b64encode(best.getvalue()).decode()}


if __name__ == "__main__":
    for file in sorted(Path(__file__).parent.glob("*.ipynb")):
        file.write_text(cleaned(file.read_text(encoding="utf-8")), encoding="utf-8")

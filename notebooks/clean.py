"""Bring the notebooks of this folder into the form in which they are kept: python notebooks/clean.py

Outputs and execution counts go, cells are numbered in their order, and the JSON is laid out in one way, so that a
change of a cell shows as a change of its lines.
"""

from __future__ import annotations

import json
from pathlib import Path

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def cleaned(text: str) -> str:
    """A notebook (nbformat 4) as it is kept."""
    cells = [cell(number, given) for number, given in enumerate(json.loads(text)["cells"], start=1)]
    notebook = {"cells": cells, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def cell(number: int, given: dict[str, object]) -> dict[str, object]:
    """A cell without what running it left behind."""
    kept: dict[str, object] = {"cell_type": given["cell_type"], "id": f"{number:02}", "metadata": {}}
    if given["cell_type"] == "code":
        kept = {"cell_type": "code", "execution_count": None, "id": f"{number:02}", "metadata": {}, "outputs": []}
    source = given["source"]
    text = source if isinstance(source, str) else "".join(source)  # type: ignore[arg-type]
    return kept | {"source": text.splitlines(keepends=True)}


if __name__ == "__main__":
    for file in sorted(Path(__file__).parent.glob("*.ipynb")):
        file.write_text(cleaned(file.read_text()))

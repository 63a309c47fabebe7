"""The notebooks: kept without outputs in one form, and run as a reader runs them."""

import json
import re
import runpy
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "notebooks"
FILES = sorted(FOLDER.glob("*.ipynb"))
cleaned = runpy.run_path(str(FOLDER / "clean.py"))["cleaned"]
each_notebook = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


@each_notebook
def test_a_notebook_is_kept_without_outputs_and_in_the_one_form(file):
    text = file.read_text()
    assert text == cleaned(text), "python notebooks/clean.py mends it"
    code = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    assert code and all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


def test_cleaning_takes_out_what_running_left_behind():
    output = {"output_type": "stream", "name": "stdout", "text": "1"}
    ran = {"cell_type": "code", "execution_count": 7, "id": "3f9a", "metadata": {"collapsed": True}}
    ran |= {"outputs": [output], "source": "a = 1\nprint(a)"}
    words = {"cell_type": "markdown", "id": "77", "metadata": {}, "source": ["# β\n", "text"]}
    kernel = {"kernelspec": {"name": "mine"}, "language_info": {"name": "python", "version": "3.11.9"}}
    text = cleaned(json.dumps({"cells": [words, ran], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}))
    first, second = json.loads(text)["cells"]
    assert first == {"cell_type": "markdown", "id": "01", "metadata": {}, "source": ["# β\n", "text"]}
    assert second["source"] == ["a = 1\n", "print(a)"]
    assert (second["id"], second["metadata"], second["outputs"], second["execution_count"]) == ("02", {}, [], None)
    assert "β" in text and "mine" not in text and "3.11.9" not in text
    assert cleaned(text) == text


@each_notebook
def test_a_notebook_opens_with_a_title_and_what_the_reader_will_see(file):
    first = json.loads(file.read_text())["cells"][0]
    words = "".join(first["source"])
    assert first["cell_type"] == "markdown"
    assert re.match(r"# \w", words) and "**What you will see**" in words


def test_the_index_names_every_notebook():
    assert set(re.findall(r"\((\w+\.ipynb)\)", (FOLDER / "README.md").read_text())) == {file.name for file in FILES}


def test_training_as_plain_lightning_takes_its_two_iterations(tmp_path, capsys):
    cells = json.loads((FOLDER / "train_and_judge.ipynb").read_text())["cells"]
    imports, *others = ("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    (source,) = (text for text in others if "SuperResolution(" in text)
    made: dict = {}
    exec(compile(imports, "train_and_judge.ipynb", "exec"), made)
    made["folder"] = tmp_path
    exec(compile(source, "train_and_judge.ipynb", "exec"), made)
    assert made["module"].iteration == made["trainer"].global_step == 2
    said = capsys.readouterr().out
    assert all(f"loss/{name}" in said for name in ("pixel", "adversarial", "discriminator"))


@pytest.mark.slow
@each_notebook
def test_a_notebook_runs_from_any_folder_without_a_warning(file, tmp_path, monkeypatch):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    here, made = tmp_path / "here", tmp_path / "made"
    here.mkdir(), made.mkdir()
    monkeypatch.setenv("TMPDIR", str(made))
    notebook = nbformat.read(file, as_version=4)
    nbformat.validate(notebook)
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(here)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    images = [output for output in outputs if "image/png" in output.get("data", {})]
    said = "".join(output.get("text", "") + output.get("data", {}).get("text/plain", "") for output in outputs)
    assert len(images) >= 4
    assert "warn" not in said.lower() and "\r" not in said and "━━ " not in said
    assert not list(here.iterdir())  # what it makes lies in a temporary folder

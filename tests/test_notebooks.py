"""The notebooks: kept with small results in one form, and run as a reader runs them."""

import base64
import io
import json
import re
import runpy
from pathlib import Path

import pytest
from PIL import Image

FOLDER = Path(__file__).parents[1] / "notebooks"
FILES = sorted(FOLDER.glob("*.ipynb"))
LARGEST = 1_000_000  # bytes of a notebook: a forge shows no file of megabytes
cleaned, WIDTH = (runpy.run_path(str(FOLDER / "clean.py"))[name] for name in ("cleaned", "WIDTH"))
each_notebook = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


@each_notebook
def test_a_notebook_is_kept_in_the_one_form_with_the_images_that_a_forge_shows(file):
    text = file.read_text()
    assert text == cleaned(text), "python notebooks/clean.py mends it"
    assert len(text.encode()) < LARGEST
    code = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    images = [key for cell in code for output in cell["outputs"] for key in output.get("data", {}) if "image/" in key]
    assert len(images) >= 4


@each_notebook
def test_a_notebook_names_no_folder_of_the_machine_it_ran_on_and_no_failure(file):
    outputs = [output for cell in json.loads(file.read_text())["cells"] for output in cell.get("outputs", [])]
    said = json.dumps(
        [{**one, "data": {k: v for k, v in one.get("data", {}).items() if k[:4] == "text"}} for one in outputs]
    )
    assert not re.search(r"/(home|root|work|Users|usr|var|mnt)/|[A-Z]:\\\\|/tmp/(?!wildsr)", said)
    assert not any(output["output_type"] == "error" or output.get("name") == "stderr" for output in outputs)
    assert "Traceback" not in said and "warn" not in said.lower()


def png(width, height=20):
    """An image as matplotlib's, transparent at its border."""
    image = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    image.paste((200, 0, 0, 255), (5, 5, width - 5, height - 5))
    file = io.BytesIO()
    image.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def test_cleaning_keeps_results_small_and_takes_out_the_machine():
    folder = "/home/me/tmp/wildsr_a1b2c3_8"
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": f"{folder}/lq.png: 1 of 1\n"},
        {"output_type": "stream", "name": "stderr", "text": "12 s left"},
        {
            "output_type": "execute_result", "execution_count": 7, "metadata": {"a": 1},
            "data": {"image/png": png(1440) + "\n", "image/jpeg": "/9j/", "text/plain": ["<Figure>"]},
        },
    ]  # fmt: skip
    ran = {"cell_type": "code", "execution_count": 7, "id": "3f9a", "metadata": {"collapsed": True}}
    ran |= {"outputs": outputs, "source": "a = 1\nprint(a)"}
    words = {"cell_type": "markdown", "id": "77", "metadata": {}, "source": ["# β\n", "text"]}
    kernel = {"kernelspec": {"name": "mine"}, "language_info": {"name": "python", "version": "3.11.9"}}
    text = cleaned(json.dumps({"cells": [words, ran], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}))
    first, second = json.loads(text)["cells"]
    assert first == {"cell_type": "markdown", "id": "01", "metadata": {}, "source": ["# β\n", "text"]}
    assert second["source"] == ["a = 1\n", "print(a)"]
    assert (second["id"], second["metadata"], second["execution_count"]) == ("02", {}, 1)
    said, shown = second["outputs"]
    assert said == {"name": "stdout", "output_type": "stream", "text": ["/tmp/wildsr/lq.png: 1 of 1\n"]}
    assert (shown["execution_count"], shown["metadata"]) == (1, {})
    assert shown["data"].keys() == {"image/png", "text/plain"}  # of few colours: smaller than a JPEG
    with Image.open(io.BytesIO(base64.b64decode(shown["data"]["image/png"]))) as image:
        assert image.size == (WIDTH, 20 * WIDTH // 1440)
        assert image.convert("RGB").getpixel((0, 0)) == (255, 255, 255)  # a page is white
    assert "β" in text and "mine" not in text and "3.11.9" not in text
    assert cleaned(text) == text


def test_a_notebook_that_failed_is_not_kept():
    error = {"output_type": "error", "ename": "KeyError", "evalue": "'x'", "traceback": []}
    ran = {"cell_type": "code", "metadata": {}, "outputs": [error], "source": "{}['x']"}
    with pytest.raises(ValueError, match="cell 1 failed: 'x'"):
        cleaned(json.dumps({"cells": [ran]}))


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

"""Words: a function's docstring begins with a verb in the imperative; a refused choice says "choose from a, b, c"."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src"
FILES = sorted((SRC / "wildsr").rglob("*.py"))
NO_VERBS = {"What", "Whether", "How", "Where", "Which", "Who", "When", "A", "An", "The", "Raises:"}


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__")


def faults(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node) or ""
            if text.split(" ", 1)[0].strip(",.") in NO_VERBS:
                yield f"{file.name}:{node.lineno}: {node.name}: {text.splitlines()[0]}"


@pytest.mark.parametrize("file", FILES, ids=module_of)
def test_a_functions_docstring_begins_with_a_verb(file):
    assert not list(faults(file))


def test_a_description_is_no_verb(tmp_path):
    file = tmp_path / "said.py"
    file.write_text('def side():\n    """The side, in pixels."""\n\ndef draw():\n    """Draw the side."""\n')
    assert [fault.split(": ")[1] for fault in faults(file)] == ["side"]


OTHER_WORDS = re.compile(r"(wanted|expected|invalid|must be) (one|some|any) of(?! (them|NumPy|its))|invalid choice")


@pytest.mark.parametrize("file", FILES, ids=module_of)
def test_a_refused_choice_says_choose_from(file):
    texts = [node.value for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Constant)]
    assert not [text for text in texts if isinstance(text, str) and OTHER_WORDS.search(text)]

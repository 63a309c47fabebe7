"""What README and docs/ say: links lead somewhere, commands are understood, pages become a site."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from wildsr.cli import VERBS, main
from wildsr.config import compose_config, groups

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", ROOT / "data/README.md",
         ROOT / "notebooks/README.md", *sorted((ROOT / "docs").glob("*.md"))]  # fmt: skip


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as forges make them."""
    heads = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    for link in links:
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def commands(page: Path) -> list[list[str]]:
    """The commands of this project in a page's shell blocks, as a shell divides them."""
    blocks = re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    lines = [shlex.split(line, comments=True) for block in blocks for line in block.splitlines()]
    lines = [
        line[next((i for i, word in enumerate(line) if "=" not in word), 0) :] for line in lines
    ]  # NAME=VALUE ahead
    return [["wildsr", "train", *line[2:]] if line[:2] == ["python", "train.py"] else line for line in lines if line]


def test_there_are_commands_to_try():
    assert sum(line[0] == "wildsr" for page in PAGES for line in commands(page)) > 20


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_is_understood(page, capsys):
    for command in commands(page):
        if command[0] != "wildsr":
            continue
        verb, *words = command[1:]
        if verb.startswith("-"):
            assert verb in ("--help", "--version")
        elif verb == "train":
            understand_training(words)
        else:
            assert verb in VERBS
            with pytest.raises(SystemExit):
                main([verb, "--help"])
            known = capsys.readouterr().out
            for word in words:
                if word.startswith("--"):
                    assert re.search(rf"{word.partition('=')[0]}\b", known), f"{verb} has no {word}"


def understand_training(words: list[str]) -> None:
    """Compose the configuration of a command; of options that are swept by glob, the first."""
    if any(word.startswith("--config-dir") for word in words):
        return  # of a folder that its reader makes; tests/extending has it
    overrides = []
    for word in words:
        key, _, value = word.partition("=")
        if value.startswith("glob("):
            overrides.append(f"{key}={groups()[key][0]}")
        elif key == "search" and sys.version_info >= (3, 13):
            continue
        elif "=" in word or word.startswith("~"):
            overrides.append(word)
        else:
            assert word in ("-m", "--help", "--multirun", "--info", "--cfg", "job"), word
    compose_config(overrides)


def test_the_pages_become_a_site(tmp_path):
    pytest.importorskip("material", reason="mkdocs-material is an extra")
    call = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "training.html").is_file()

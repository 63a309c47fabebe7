"""Messages of a command: plain lines on the standard error output, as loud as asked for."""

import logging
import subprocess
import sys

import pytest

from wildsr.apps.common.logs import QUIET, VERBOSE, is_quiet, message_console, show_messages
from wildsr.cli import main

log = logging.getLogger("wildsr.apps.anything")


def say_all() -> None:
    log.debug("a detail")
    log.info("a fact")
    log.warning("left out: %s", "[red]:cat:.png")
    log.error("failed")


def test_messages_are_plain_lines_that_say_what_they_are(capsys):
    with show_messages():
        say_all()
    assert capsys.readouterr() == ("", "a fact\nwarning: left out: [red]:cat:.png\nerror: failed\n")


def test_quiet_keeps_errors_alone_and_verbose_adds_details(capsys):
    with show_messages(QUIET):
        say_all()
        assert is_quiet()
    assert capsys.readouterr().err == "error: failed\n"
    with show_messages(VERBOSE):
        say_all()
        assert not is_quiet()
    assert capsys.readouterr().err.startswith("a detail\na fact\n")


def test_a_long_line_is_not_broken(capsys):
    with show_messages():
        log.info("x" * 500)
    assert capsys.readouterr().err == "x" * 500 + "\n"


def test_nothing_stays_of_showing_messages():
    logger = logging.getLogger("wildsr")
    before = logger.level, list(logger.handlers)
    with pytest.raises(KeyError), show_messages(VERBOSE):
        raise KeyError
    assert (logger.level, logger.handlers) == before


def test_bars_and_messages_share_a_console():
    from wildsr.apps.common.progress import Bar

    assert Bar(1, "MP").progress.console is message_console()


@pytest.mark.parametrize(("words", "lines"), [([], 1), (["--quiet"], 0), (["--verbose"], 4)])
def test_every_verb_is_as_loud_as_asked_for(photographs, tmp_path, capsys, words, lines):
    (photographs / "b.jpg").write_bytes(b"broken")
    assert main(["degrade", str(photographs), "-o", str(tmp_path / "lq"), *words]) == 1
    said = capsys.readouterr()
    # A line of the damaged image; verbose: and one of the recipe of each of the three others.
    assert len(said.err.strip().splitlines()) == lines
    assert said.out.count("3 of 4 images") == 1
    assert logging.getLogger("wildsr").level == logging.NOTSET


def test_quiet_shows_no_bar(monkeypatch):
    monkeypatch.setattr(type(message_console()), "is_terminal", True)
    with show_messages(QUIET):
        from wildsr.apps.common.progress import Bar

        assert Bar(1, "MP").progress.disable
    with show_messages():
        assert not Bar(1, "MP").progress.disable


def test_importing_the_library_configures_no_logging():
    code = (
        "import logging, wildsr.data, wildsr.apps.evaluate.cli, wildsr.apps.prepare.cli, wildsr.apps.degrade.cli\n"
        "ours = logging.getLogger('wildsr')\n"
        "print(ours.handlers, ours.level, ours.propagate, logging.getLogger().level)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"[] 0 True {logging.WARNING}"

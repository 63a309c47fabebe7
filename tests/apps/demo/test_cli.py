"""What `wildsr demo` answers to a wrong call; the page itself is in tests/demo."""

import socket
import sys

import pytest

from wildsr.cli import main


def test_a_wrong_port_is_one_line_and_exit_code_2(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["demo", "--port", "70000"])
    assert stop.value.code == 2
    assert capsys.readouterr().err.startswith("error: --port 70000: wanted 1 to 65535")


def test_missing_weights_are_named_before_the_page_opens(capsys):
    assert main(["demo", "--weights", "nowhere.pth"]) == 1
    assert capsys.readouterr().err == "error: nowhere.pth: no such file\n"


def test_without_gradio_a_line_says_what_to_install(capsys, monkeypatch):
    monkeypatch.delitem(sys.modules, "wildsr.apps.demo.page", raising=False)
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert main(["demo"]) == 1
    assert capsys.readouterr().err == "error: the page needs gradio; pip install 'gradio>=6.31'\n"


@pytest.mark.slow  # gradio takes seconds to load
def test_a_taken_port_is_one_line(capsys):
    pytest.importorskip("gradio", reason="the page needs gradio")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["demo", "--port", str(port)]) == 1
    reason = "Address already in use; wanted a free port and an address of this machine"
    assert capsys.readouterr().err == f"error: --host 127.0.0.1 --port {port}: {reason}\n"

"""The page of `wildsr demo`, without a browser: how it answers errors."""

import pytest

from wildsr.io import UserError

gr = pytest.importorskip("gradio", reason="the page needs gradio")


@pytest.mark.parametrize(("kind", "is_printed"), [(UserError, False), (ValueError, True), (KeyError, True)])
def test_the_terminal_shows_the_traceback_of_a_bug_alone(kind, is_printed):
    from wildsr.apps.demo.page import _in_one_line

    def run():
        raise kind("wrong")

    with pytest.raises(gr.Error) as caught:
        _in_one_line(run)()
    assert caught.value.message.strip("'") == "wrong"
    assert caught.value.print_exception is is_printed

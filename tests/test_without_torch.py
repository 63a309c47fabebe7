"""Help and wrong words are answered without torch, whose import takes seconds."""

import json
import subprocess
import sys

from wildsr.cli import VERBS

# Each call, then what of torch it has imported, and its exit code.
CALLS = """
import contextlib, io, json, sys
from wildsr.cli import main
for words in json.loads(sys.argv[1]):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as said:
        try:
            code = main(words)
        except SystemExit as stop:
            code = stop.code
    print(json.dumps([words, code, sorted({"torch", "lightning"} & set(sys.modules)), said.getvalue()]))
"""
WRONG = {
    "train": (["nosuch=1"], ["experiment=nosuch"]),
    "upscale": (["nowhere.png"], ["a.png", "--device", "abacus"], ["a.png", "--quality", "0"]),
    "preview": (["degradation=nosuch"], ["--side", "0"]),
    "degrade": ([".", "-o", "lq", "degradation=nosuch"],),
    "evaluate": (["--weights", "a", "--set", "b", "-o", "c"], ["--weights", "a", "--set", "hard", "--metrics", "x"]),
    "export": (["a.pth", "-o", "a.onnx"],),
    "doctor": ([], ["experiment=nosuch"]),
    "report": (["nowhere"],),
    "dashboard": ([],),
    "demo": (["--port", "0"], ["--weights", "nowhere.pth"]),
    "prepare": (["nosuch"], ["folder"]),
}


def answers(calls, folder):
    done = subprocess.run(
        [sys.executable, "-c", CALLS, json.dumps(calls)], cwd=folder, capture_output=True, text=True, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_help_and_wrong_words_of_every_verb_import_no_torch(tmp_path):
    assert set(WRONG) == set(VERBS)
    calls = [["--help"], ["nosuch"], ["train"]]
    calls += [
        [verb, *words] for verb in VERBS for words in ([], ["--help"]) if verb not in ("train", "preview", "demo")
    ]
    calls += [[verb, "--help"] for verb in ("train", "preview", "demo")]
    calls += [[verb, *words] for verb, wrong in WRONG.items() for words in wrong]
    for words, code, imported, said in answers(calls, tmp_path):
        assert imported == [], words
        assert code == 0 if words[-1] == "--help" else code in (1, 2), (words, said)
        assert said.count("\n") == (0 if words[-1] == "--help" or (not words[1:] and code == 0) else 1), (words, said)

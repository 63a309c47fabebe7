import pytest

from wildsr.apps.evaluate.labels import SetContent
from wildsr.apps.report.facts import Facts, read_facts, write_facts

FACTS = Facts("CPU, 2 threads", 1, 5.0, {"generator": 3}, 7, "0.1.0", {"main": SetContent(2, 4, ["a", "b"])}, job=3)


def test_facts_come_back_as_they_were_written(tmp_path):
    assert read_facts(tmp_path) is None  # a run of an older version
    write_facts(FACTS, tmp_path)
    assert read_facts(tmp_path) == FACTS


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"), (59.4, "59 s"), (60, "1 min"), (59 * 60, "59 min"), (3600, "1 h 0 min"), (12_000, "3 h 20 min"),
        (187_200, "2 d 4 h"),
    ],
)  # fmt: skip
def test_a_duration_is_said_in_its_two_largest_units(seconds, words):
    assert Facts("CPU", 1, seconds, {}, 1, "0").duration == words


@pytest.mark.parametrize("text", ["{", "{}", "[]", '{"device": 1}', '{"sets": {"main": {}}}'])
def test_damage_is_named(tmp_path, text):
    (tmp_path / "training.json").write_text(text)
    with pytest.raises(ValueError, match=r"training\.json: damaged"):
        read_facts(tmp_path)

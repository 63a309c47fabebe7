import pytest

from wildsr.apps.evaluate.labels import SetContent
from wildsr.apps.report.facts import Facts, read_facts, write_facts

FACTS = Facts("CPU, 2 threads", 1, 5.0, {"generator": 3}, 7, "0.1.0", {"main": SetContent(2, 4, ["a", "b"])}, job=3)


def test_facts_come_back_as_they_were_written(tmp_path):
    assert read_facts(tmp_path) is None  # a run of an older version
    write_facts(FACTS, tmp_path)
    assert read_facts(tmp_path) == FACTS


@pytest.mark.parametrize("text", ["{", "{}", "[]", '{"device": 1}', '{"sets": {"main": {}}}'])
def test_damage_is_named(tmp_path, text):
    (tmp_path / "training.json").write_text(text)
    with pytest.raises(ValueError, match=r"training\.json: damaged"):
        read_facts(tmp_path)

import json

from wildsr.apps.report.configs import changed, differing, flat, telling
from wildsr.apps.report.runs import read_run


def test_only_keys_with_several_values_differ():
    one = flat({"loss": {"pixel": 1.0, "adversarial": 0.1}, "stage": {"losses": ["pixel"]}})
    other = flat({"loss": {"pixel": 1.0, "adversarial": 0.2}, "stage": {"losses": ["pixel", "adversarial"]}})
    assert differing([one, other, one]) == [
        ("loss.adversarial", ["0.1", "0.2", "0.1"]),
        ("stage.losses", ["[pixel]", "[pixel, adversarial]", "[pixel]"]),
    ]


def test_a_branch_beside_nothing_is_one_key():
    one = flat({"second": {"blur": {"prob": 0.8}, "jpeg": None}})
    assert differing([one, {"second": None}, {}]) == [("second", ["{…}", "null", "–"])]


def test_a_branch_that_one_has_alone_is_one_key_unless_it_is_small():
    mild = {f"sets.mild.{name}": name for name in "abcd"}
    assert differing([mild, {"sets.hard.hq": 1}]) == [("sets.mild", ["{…}", "–"]), ("sets.hard.hq", ["–", "1"])]
    assert differing([mild, mild | {"sets.mild.d": "e"}]) == [("sets.mild.d", ["d", "e"])]
    assert ("sets.mild.d", ["d", "e", "–"]) in differing([mild, mild | {"sets.mild.d": "e"}, {}])


def test_what_an_interpolation_repeats_is_left_out():
    one = {"kernels.sinc_prob": 0.1, "degradation.kernels.sinc_prob": 0.1, "degradation.scale": 4, "scale": 4}
    other = {"kernels.sinc_prob": 0.0, "degradation.kernels.sinc_prob": 0.0, "degradation.scale": 2, "scale": 4}
    assert dict(differing([one, other])) == {"kernels.sinc_prob": ["0.1", "0"], "degradation.scale": ["4", "2"]}


def test_where_a_run_lies_and_how_it_is_shown_does_not_tell_runs_apart():
    config = {
        "name": "a",
        "paths": {"runs": "b"},
        "callbacks": {"curves": {"every": 1}},
        "seed": 3,
        "loss": {"pixel": 1},
    }
    assert telling(config) == {"seed": 3, "loss.pixel": 1}


def test_what_a_command_changed_of_its_experiment_comes_first(make_run):
    run = read_run(make_run("a", ["loss.pixel.weight=2"]))
    experiment, rows = changed(run)
    assert experiment == "quickstart"
    assert dict(rows) == {
        "loss.pixel.weight": ["2", "1"], "stages.psnr.iterations": ["4", "100"], "stages.gan.iterations": ["4", "80"]
    }  # fmt: skip
    for words in (["experiment=../../etc"], [], ["experiment=mine"]):
        folder = make_run(f"b{len(str(words))}")
        (folder / "overrides.json").write_text(json.dumps(words))
        assert changed(read_run(folder)) is None

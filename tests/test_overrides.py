"""What people type: flags anywhere, text for Hydra and the shell, values of the key's kind."""

import subprocess

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser

from wildsr.config import ConfigError, compose_config, conf_folder, groups
from wildsr.overrides import shell_word, split_command, typed_overrides


@pytest.mark.parametrize(
    ("words", "overrides", "flags"),
    [
        ("a=1 -m b=2", ["a=1", "b=2"], ["-m"]),
        ("-m a=1 b=2", ["a=1", "b=2"], ["-m"]),
        ("a=1 --cfg job b=2 --package stages ~c", ["a=1", "b=2", "~c"], ["--cfg", "job", "--package", "stages"]),
        ("-cn train train=1 train", ["train=1", "train"], ["-cn", "train"]),
        ("a=1 --info", ["a=1"], ["--info"]),
    ],
)
def test_overrides_may_stand_around_flags(words, overrides, flags):
    assert split_command(words.split()) == (overrides, flags)


@pytest.mark.parametrize("words", [["a=1", "--nonsense"], ["--cfg", "jbo"], ["--cfg"]])
def test_a_wrong_flag_is_one_line(words):
    with pytest.raises(ConfigError, match=r"--hydra-help") as caught:
        split_command(words)
    assert "\n" not in str(caught.value)


def test_a_wrong_word_of_a_flag_names_those_that_there_are():
    with pytest.raises(ConfigError, match=r"--cfg/-c: given 'jbo'; choose from job, hydra, all \("):
        split_command(["--cfg", "jbo"])


@pytest.mark.parametrize(
    "text",
    [
        "2024", "1e3", "true", "null", "", "[a,b]", "{a: 1}", "/x/Bob's photos", "/x/a,b=c", "a$HOME`id`", 'the "best"',
        """Bob's "best" """, "C:\\photos\\", "a\\'b", "~/ü*?", "# (x)",
    ],
)  # fmt: skip
def test_what_it_says_to_type_is_read_as_that_text_by_shell_and_hydra(text):
    word = shell_word("data.train.root", text)
    typed = subprocess.run(["sh", "-c", f"printf %s {word}"], capture_output=True, text=True, check=True).stdout
    (override,) = OverridesParser.create().parse_overrides([typed])
    assert (override.key_or_group, override.value()) == ("data.train.root", text)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("data=folder|data.train.root=2024", """data.train.root: given 2024, wanted text: "data.train.root='2024'\""""),
        (
            "data=folder|data.train.root=[a,b]",
            "wanted text: \"data.train.root='[a,b]'\"; several: 'data.train.root={a: {root: DIR",
        ),
        ("data=folder|data.train.root=", "data.train.root: given nothing, wanted data.train.root=VALUE"),
        ("generator.weights=", "wanted generator.weights=VALUE; generator.weights=null stands for none"),
        ("generator.weights=2024", "wanted text: \"generator.weights='2024'\""),
        ("name=1e3", "name: given 1e3, wanted text: \"name='1e3'\""),
        ("++name=true", "name: given true, wanted text: \"name='true'\""),
        ("data=folder|data.train.root=/x/a,b", "given /x/a,b, wanted \"data.train.root='/x/a,b'\" as text"),
        ("data=folder|data.train.root=/x/Bob's", 'wants quotes: "data.train.root=\\"/x/Bob\'s\\""'),
        ("data=folder|data.train.root='/x/Bob's'", 'wants quotes: "data.train.root=\\"/x/Bob\'s\\""'),
        ("data=folder|data.train.root=/x/a=b", "wants quotes: \"data.train.root='/x/a=b'\""),
        ("data.train=/x", "data.train: given /x, wanted data=folder data.train.root=/x"),
        ("data.val=false", "wanted data.val=null to leave it out"),
        ("logger.csv=false", "logger.csv: given false, wanted logger.csv=null to leave it out"),
        ("loss.adversarial=0.1", "loss.adversarial: given 0.1, wanted loss.adversarial.weight=0.1; its keys: weight"),
        ("stages.gan=100", "wanted stages.gan.KEY=VALUE; its keys: number, losses, lr"),
        ("stages.gan=[100]", "wanted stages.gan.KEY=VALUE; its keys: number, losses, lr"),
        ("degradation.first.noise=3", "degradation.first.noise: given 3, wanted degradation.first.noise.KEY=VALUE"),
        ("metrics=psnr_y", 'metrics: given psnr_y, wanted a list: "metrics=[psnr_y]"'),
        ("memory=12", "memory=12: no such option; choose from gpu_12gb, gpu_24gb, gpu_8gb, none"),
        ("discriminator=null", f"choose from {', '.join(groups()['discriminator'])}, or ~discriminator for none"),
        ("stages.gan=null", "stages.gan: given null, wanted a value"),
        ("metrics=null", "metrics: given null, wanted a value"),
        ("data.sets.hard.hq=7", "data.sets.hard.hq: given 7, wanted text: \"data.sets.hard.hq='7'\""),
        ("compare=no", "compare: given no; choose from true, false"),
        ("data=[1,2]", "data=[1,2]: no such option; choose from df2k_ost, folder"),
        ("=3", "=3: not understood; wanted KEY=VALUE"),
    ],
)
def test_a_value_of_another_kind_is_one_line_that_says_what_to_write(words, line):
    with pytest.raises(ConfigError) as caught:
        compose_config(words.split("|"))
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "words",
    [
        "trainer.devices=[0,1]", "trainer.precision=32", "trainer=ddp|trainer.strategy=ddp", "data.sets.hard.hq=/x",
        "data.val=null", "callbacks.panels=null", "loss.pixel.weight=1", "data=folder|data.train.root=/a b$c",
        "data=folder|data.train.names=list.txt", "degradation.second=null", "experiment=quickstart",
        "data.pairs={lq: a, hq: b}", "data=paired|data.pairs.lq_ending=",
    ],
)  # fmt: skip
def test_values_of_a_kind_that_the_key_takes_are_left_alone(words):
    compose_config(words.split("|"))


def test_an_interpolation_is_checked_and_written_down_as_it_was_typed():
    typed = ["+degradation.third=${degradation.second}", "degradation.second.noise=${degradation.first.noise}"]
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        cfg = compose("train", typed, return_hydra_config=True)
    assert typed_overrides(cfg.hydra) == typed
    assert compose_config(typed).degradation.second.noise.gaussian_sigma == [1.0, 30.0]  # the first order's
    compose_config([r"degradation.second.noise=$\{degradation.first.noise\}"])  # as a multirun hands it to its jobs

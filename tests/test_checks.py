"""A value that cannot be is refused in one line with its key, what was given and what is wanted."""

import argparse
from dataclasses import dataclass

import pytest

from wildsr.checks import (
    check_argument,
    check_choices,
    check_range,
    check_weights,
    checked_choice,
    checked_integer,
    checked_list,
    checked_number,
)
from wildsr.io import UserError


@dataclass(frozen=True)
class Record:
    sigma: object = (0.2, 3)
    modes: object = ("area",)
    up: float = 0
    down: float = 1

    def __post_init__(self):
        check_range(self, "sigma", 0, 10)
        check_choices(self, "modes", ["area", "bicubic"])
        check_weights(self, "up", "down")


@pytest.mark.parametrize(
    ("check", "fitting"),
    [
        (lambda: checked_number("lr", 1, 0, 1), 1),
        (lambda: checked_number("lr", 0.5, 0, 1), 0.5),
        (lambda: checked_integer("size", 21, 7, 21, step=2), 21),
        (lambda: checked_choice("mode", "area", {"area": 1}), "area"),
        (lambda: checked_list("losses", ["pixel"]), ("pixel",)),
        (lambda: Record(sigma=[1, 1], modes=["bicubic", "area"]), Record((1, 1), ("bicubic", "area"))),
    ],
)
def test_what_fits_comes_back_lists_as_tuples(check, fitting):
    assert check() == fitting and type(check()) is type(fitting)


@pytest.mark.parametrize(
    ("check", "line"),
    [
        (lambda: checked_number("lr", True, 0, 1), "lr: given True, wanted a number from 0 to 1"),
        (lambda: checked_number("lr", float("nan"), 0, 1), "lr: given nan, wanted a number from 0 to 1"),
        (lambda: checked_number("lr", None, 0, 1), "lr: given nothing, wanted a number from 0 to 1"),
        (lambda: checked_integer("size", 8, 7, 21, step=2), "size: given 8, wanted an odd number from 7 to 21"),
        (lambda: checked_integer("n", 2.0, 1, 5), "n: given 2.0, wanted a whole number from 1 to 5"),
        (lambda: checked_integer("n", True, 1, 5), "n: given True, wanted a whole number from 1 to 5"),
        (lambda: checked_choice("mode", 1, ("a", "b")), "mode: given 1; choose from a, b"),
        (lambda: checked_list("losses", "pixel"), "losses: given 'pixel', wanted a list with something in it"),
        (lambda: Record(sigma=[3, 0.2]), "sigma: given (3, 0.2), wanted the lower number first"),
        (lambda: Record(sigma=[3]), "sigma: given [3], wanted two numbers, [low, high]"),
        (lambda: Record(modes=[]), "modes: given [], wanted a list with something in it"),
        (lambda: Record(modes=["lanczos"]), "modes: given 'lanczos'; choose from area, bicubic"),
        (lambda: Record(down=0), "up, down: given [0, 0], wanted a weight above 0 for at least one"),
    ],
)
def test_what_does_not_fit_is_one_line(check, line):
    with pytest.raises(UserError) as refused:
        check()
    assert str(refused.value) == line


def test_a_word_of_the_command_line_is_refused_alike_in_every_python():
    parser = argparse.ArgumentParser()
    fruit = parser.add_argument("--fruit", choices=["fig", "pear"])
    check_argument(fruit, "fig")
    with pytest.raises(argparse.ArgumentError, match=r"^argument --fruit: given 'plum'; choose from fig, pear$"):
        check_argument(fruit, "plum")
    check_argument(parser.add_argument("--name"), "any")

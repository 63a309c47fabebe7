"""Ranges and probabilities from which a recipe is drawn. The defaults are the released x4 recipe.

Every spec checks itself: a UserError names the key, what was given and what is wanted.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.random import Generator

from wildsr.checks import check_integer, check_number, check_type, refuse
from wildsr.degradation import draws
from wildsr.degradation.operations import (
    BUILT_IN,
    BlurSpec,
    DrawContext,
    FinalResizeSpec,
    JpegSpec,
    KernelSpec,
    NoiseSpec,
    ResizeSpec,
    SincSpec,
)
from wildsr.degradation.recipe import MAX_SEED, SCALES, Recipe, Step
from wildsr.io import ConfigError, UserError

OPERATION = ("name", "Record", "draw", "apply")


@dataclass(frozen=True)
class Arrangement:
    """The names of an order's operations as they are applied, and how often, relative to the others."""

    weight: float
    order: Sequence[str]

    def __post_init__(self) -> None:
        check_number(self, "weight", 0, 1e6)
        if not isinstance(self.order, list | tuple) or len(set(self.order)) != len(self.order):
            raise refuse("order", self.order, "a list of names, each once")
        object.__setattr__(self, "order", tuple(self.order))


@dataclass(frozen=True, init=False)
class OrderSpec:
    """One order: operations by name, and the arrangements in which they are applied.

    Operations draw as they are declared, then one of the arrangements is drawn, where there are several.

    Args:
        arrangements: mappings of `weight` and `order`, a list of names; None is one, as the operations are declared.
        operations: see `operations.Operation`; None leaves one out, wherever the arrangements name it.
    """

    operations: Mapping[str, Any]
    arrangements: Sequence[Arrangement]

    def __init__(self, arrangements: Sequence[Any] | None = None, **operations: Any) -> None:
        for name, operation in operations.items():
            _check_operation(name, operation)
        given = [{"weight": 1.0, "order": list(operations)}] if arrangements is None else arrangements
        object.__setattr__(self, "arrangements", tuple(_arrangements(given, operations)))
        object.__setattr__(self, "operations", {name: op for name, op in operations.items() if op is not None})

    def draw(self, rng: Generator, context: DrawContext) -> list[tuple[Any, Any]]:
        """Draw the operations that take part, as they are applied, each with its record."""
        drawn = {name: operation.draw(rng, context) for name, operation in self.operations.items()}
        weights = [arrangement.weight for arrangement in self.arrangements]
        order = self.arrangements[draws.pick(rng, weights) if len(weights) > 1 else 0].order
        return [(self.operations[name], drawn[name]) for name in order if drawn.get(name) is not None]

    def last_resizes(self) -> Iterator[tuple[str, Any]]:
        """Yield the name and the operation of the last resize of each arrangement that has one."""
        for arrangement in self.arrangements:
            found = [name for name in arrangement.order if hasattr(self.operations.get(name), "to_final_size")]
            if found:
                yield found[-1], self.operations[found[-1]]


def _check_operation(name: str, operation: Any) -> None:
    if operation is None:
        return
    if isinstance(operation, type) or not all(hasattr(operation, key) for key in OPERATION):
        raise refuse(name, operation, "an operation, with " + ", ".join(OPERATION))
    if not dataclasses.is_dataclass(operation.Record):
        raise refuse(f"{name}.Record", operation.Record, "a dataclass")
    if reserved := {"order", "op"} & {key.name for key in dataclasses.fields(operation.Record)}:
        raise refuse(f"{name}.Record", reserved.pop(), "another name for a field, as a recipe's step has one of it")


def _arrangements(given: Any, operations: Mapping[str, Any]) -> list[Arrangement]:
    """Check that every arrangement names every operation, and leave out what is left out."""
    if not isinstance(given, list | tuple) or not given:
        raise refuse("arrangements", given, "a list with something in it")
    present = {name for name, operation in operations.items() if operation is not None}
    found = []
    for place, one in enumerate(given):
        values, key = vars(one) if isinstance(one, Arrangement) else one, f"arrangements.{place}"
        if not isinstance(values, Mapping) or set(values) != {"weight", "order"}:
            raise refuse(key, one, "the keys weight and order")
        try:
            arrangement = Arrangement(**values)
        except UserError as error:
            raise ConfigError(f"{key}.{error}") from None
        if not present <= set(arrangement.order) <= set(operations):
            raise refuse(f"{key}.order", list(arrangement.order), "each of " + ", ".join(operations))
        found.append(Arrangement(arrangement.weight, [name for name in arrangement.order if name in present]))
    if len(found) > 1 and not any(arrangement.weight for arrangement in found):
        raise refuse("arrangements", [0] * len(found), "a weight above 0 for at least one")
    return found


def first_order() -> OrderSpec:
    """Return the released first order."""
    return OrderSpec(blur=BlurSpec(), resize=ResizeSpec(), noise=NoiseSpec(), jpeg=JpegSpec())


def second_order() -> OrderSpec:
    """Return the released second order: weaker, sized relative to the final LQ; its JPEG belongs to the final one."""
    return OrderSpec(
        blur=BlurSpec(0.8, sigma=(0.2, 1.5)),
        resize=ResizeSpec(0.3, 0.4, 0.3, up_factor=(1.0, 1.2), down_factor=(0.3, 1.0), relative_to="final"),
        noise=NoiseSpec(gaussian_sigma=(1.0, 25.0), poisson_scale=(0.05, 2.5)),
    )


def final_order() -> OrderSpec:
    """Return the released end: a resize to the final size and a sinc filter, before or after the last JPEG."""
    return OrderSpec(
        [
            {"weight": 0.5, "order": ["resize", "sinc", "jpeg"]},
            {"weight": 0.5, "order": ["jpeg", "resize", "sinc"]},
        ],
        resize=FinalResizeSpec(),
        sinc=SincSpec(),
        jpeg=JpegSpec(),
    )


@dataclass(frozen=True, init=False)
class DegradationSpec:
    """The whole degradation: orders by name, applied as they are declared, `final` last. The defaults are released.

    Args:
        scale: HQ side / LQ side.
        kernels: the mix of blur kernels that all orders share.
        fixed_recipe: a recipe, or its dictionary, that every image has instead of one drawn from the rest; only the
            seed of its noise is drawn.
        orders: in place of the released `first`, `second` and `final`, or beside them; None leaves one out.
    """

    scale: int
    kernels: KernelSpec
    orders: Mapping[str, OrderSpec]
    fixed_recipe: Recipe | None

    def __init__(
        self,
        scale: int = 4,
        kernels: KernelSpec | None = None,
        fixed_recipe: Recipe | Mapping[str, Any] | None = None,
        **orders: OrderSpec | None,
    ) -> None:
        chosen = {"first": first_order(), "second": second_order(), "final": final_order()} | orders
        for name, order in chosen.items():
            if order is not None and not isinstance(order, OrderSpec):
                raise refuse(name, order, "OrderSpec, or null")
        names = sorted(chosen, key=lambda name: name == "final")
        object.__setattr__(self, "scale", scale)
        object.__setattr__(self, "kernels", KernelSpec() if kernels is None else kernels)
        object.__setattr__(self, "orders", {name: chosen[name] for name in names if chosen[name] is not None})
        object.__setattr__(self, "fixed_recipe", self._read(fixed_recipe))
        check_integer(self, "scale", *SCALES)
        check_type(self, "kernels", KernelSpec)
        self._check_names()
        self._check_end()
        if self.fixed_recipe is not None and self.fixed_recipe.scale != scale:
            raise refuse("fixed_recipe.scale", self.fixed_recipe.scale, f"{scale}, the scale of the whole")

    @property
    def operations(self) -> dict[str, Any]:
        """Return all operations by name: first.blur, …; what reads a recipe drawn here is given their values."""
        orders = self.orders.items()
        return {f"{name}.{key}": found for name, order in orders for key, found in order.operations.items()}

    @property
    def on_cpu(self) -> list[str]:
        """Return the short names of the operations that compute on the CPU, wherever an image is."""
        fixed = () if self.fixed_recipe is None else [step.operation for step in self.fixed_recipe.steps]
        operations = fixed or self.operations.values()
        return sorted({operation.name for operation in operations if getattr(operation, "on_cpu", False)})

    def draw(self, rng: Generator) -> Recipe:
        """Draw one image's recipe, a pure function of the generator's state."""
        seed = draws.integer(rng, 0, MAX_SEED)
        if self.fixed_recipe is not None:
            return dataclasses.replace(self.fixed_recipe, seed=seed)
        context = DrawContext(self.scale, self.kernels)
        steps = [
            Step(name, operation, record)
            for name, order in self.orders.items()
            for operation, record in order.draw(rng, context)
        ]
        return Recipe(self.scale, seed, steps)

    def _read(self, fixed: Recipe | Mapping[str, Any] | None) -> Recipe | None:
        if fixed is None or isinstance(fixed, Recipe):
            return fixed
        try:
            return Recipe.from_dict(fixed, self.operations.values())
        except ValueError as error:
            raise ConfigError(f"fixed_recipe.{error}") from None

    def _check_names(self) -> None:
        """Check that a short name leads to one record and its one application: else a recipe would not replay."""
        known = {kind.name: (kind.Record, kind.apply) for kind in BUILT_IN}
        for key, operation in self.operations.items():
            own = (operation.Record, type(operation).apply)
            if known.setdefault(operation.name, own) != own:
                raise refuse(f"{key}.name", operation.name, "a name that no operation with another record or apply has")

    def _check_end(self) -> None:
        """Check that LQ ends at the final size, whatever is drawn."""
        ends = [(name, list(order.last_resizes())) for name, order in self.orders.items()]
        ends = [(name, last) for name, last in ends if last]
        if not ends and self.scale > 1:
            raise refuse("orders", list(self.orders), "one that resizes to the final size")
        for key, operation in ends[-1][1] if ends else ():
            if not operation.to_final_size:
                wanted = "a last resize that always goes to the final size (relative_to final, only keep, prob 1)"
                raise refuse(f"{ends[-1][0]}.{key}", operation, wanted)

"""The way of an operation without a batched form, such as one of someone's own."""

# n images of a call, S T canvas, H W one image on it

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Generator, Tensor

from wildsr.degradation.batched.form import BatchStep, Size, Tables


@dataclass(frozen=True)
class OneByOne:
    """Apply an operation to one image after the other."""

    operation: Any = field(hash=False)  # one of someone's own need not be hashable
    operators: ClassVar[int] = 0  # it gains nothing from company

    def key(self, record: Any, size: Size) -> None:
        return None

    def output_size(self, record: Any, size: Size, final_size: Size) -> Size:
        return size

    def tables(self, step: BatchStep) -> Tables:
        return {}

    def apply(
        self, images: Tensor, step: BatchStep, tables: Mapping[str, Tensor], generators: Sequence[Generator]
    ) -> Tensor:
        """Apply the operation. Raises: ValueError, where it changes an image's size and does not say so."""
        for image, record, size, generator in zip(images, step.records, step.before, generators, strict=True):
            own = image[:, : size[0], : size[1]]
            made = self.operation.apply(own.contiguous(), record, generator, step.final_size)
            if made.shape != own.shape:
                raise ValueError(
                    f"{self.operation.name}: given {tuple(own.shape)}, gave {tuple(made.shape)}; wanted the same size,"
                    " or a record with `to_final_size`, as an operation has that resizes"
                )
            own.copy_(made)
        return images

"""wildsr: train, evaluate and run super-resolution for real, degraded photographs."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wildsr.apps.upscale.arrays import upscale

__all__ = ["upscale"]
__version__ = "0.2.0"


def __getattr__(name: str) -> Any:
    """Return `wildsr.upscale`, imported when it is first asked for: torch takes seconds to load."""
    if name != "upscale":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from wildsr.apps.upscale.arrays import upscale

    return upscale

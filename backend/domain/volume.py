"""Pixels with their meaning."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.domain.geometry import Geometry


class Quantity(StrEnum):
    """What `Volume.values` are."""

    HU = "HU"
    SUV = "SUVbw"
    ONE = "1"  # arbitrary units: MR, radiographs, ultrasound
    COLOUR = "RGB"


class WindowFunction(StrEnum):
    """DICOM PS3.3 C.11.2.1.2 and C.11.2.1.3."""

    LINEAR = "LINEAR"
    LINEAR_EXACT = "LINEAR_EXACT"
    SIGMOID = "SIGMOID"


@dataclass(frozen=True)
class Window:
    """A grey-scale window in units of `Volume.values`; width > 0."""

    centre: float
    width: float
    name: str = ""
    function: WindowFunction = WindowFunction.LINEAR


@dataclass(frozen=True)
class Volume:
    """Stored pixels, the rule that turns them into values, and the grid they lie on.

    array: (k, j, i) int16 or uint8, or (k, j, i, 3) uint8 for colour; may be memory-mapped and read-only.
    value = array * slope + intercept, in `quantity`. `inverted`: MONOCHROME1, low values are shown bright.
    padding: stored value that marks "no measurement here", or None.
    """

    array: NDArray[Any]
    geometry: Geometry
    quantity: Quantity = Quantity.ONE
    slope: float = 1.0
    intercept: float = 0.0
    windows: tuple[Window, ...] = ()
    inverted: bool = False
    padding: int | None = None
    warnings: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if self.array.dtype not in (np.int16, np.uint8):
            raise ValueError(f"a volume holds int16 or uint8, not {self.array.dtype}")
        if self.array.shape[:3] != self.geometry.shape or self.array.shape[3:] not in ((), (3,)):
            raise ValueError(f"array {self.array.shape} does not lie on grid {self.geometry.shape}")

    @property
    def is_colour(self) -> bool:
        return self.array.ndim == 4

    def values(self) -> NDArray[np.float32]:
        """A new float32 array (k, j, i) in `quantity`; colour is reduced to luma (ITU-R BT.601)."""
        a = self.array
        if self.is_colour:
            grey: NDArray[np.float32] = (a @ np.array([0.299, 0.587, 0.114], dtype=np.float32)).astype(np.float32)
            return grey
        return a.astype(np.float32) * np.float32(self.slope) + np.float32(self.intercept)

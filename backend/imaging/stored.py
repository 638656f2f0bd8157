"""Decoded pixels of any type made to fit int16 or uint8, and the rule that leads back to them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.domain.volume import Window

INT16 = np.iinfo(np.int16)
SAMPLE = 2_000_000
LARGEST = 1e150
"""Beyond this a float counts as infinite: the range of two such numbers would be."""


@dataclass(frozen=True, eq=False)
class Stored:
    """decoded = array * slope + intercept. missing: the stored value that stands for NaN, or None."""

    array: NDArray[Any]
    slope: float = 1.0
    intercept: float = 0.0
    missing: int | None = None
    warnings: tuple[str, ...] = ()

    def through(self, slope: float, intercept: float) -> tuple[float, float]:
        """The rule from stored to values when value = decoded * slope + intercept."""
        return self.slope * slope, self.intercept * slope + intercept

    def of_decoded(self, decoded: float | None) -> int | None:
        """The stored integer of a decoded one (a padding value), None when it has none."""
        if decoded is None:
            return None
        stored = (decoded - self.intercept) / self.slope
        limits = np.iinfo(self.array.dtype)
        return int(stored) if stored == int(stored) and limits.min <= stored <= limits.max else None


def to_stored(decoded: NDArray[Any], keep_bytes: bool = True) -> Stored:
    """Exact wherever the values are integers that span at most 65536 steps; else quantised, and the warning says so.

    keep_bytes: leave uint8 as it is (False makes it int16, as for CT).
    """
    kind, size = decoded.dtype.kind, decoded.dtype.itemsize
    if kind == "b":
        decoded = decoded.astype(np.uint8)
    if decoded.dtype == np.uint8 and keep_bytes:
        return Stored(decoded)
    if kind == "f":
        return _from_float(decoded)
    if (kind in "bi" and size <= 2) or (kind == "u" and size == 1):
        return Stored(decoded.astype(np.int16, copy=False))
    low, high = int(decoded.min()), int(decoded.max())
    if low >= INT16.min and high <= INT16.max:
        if decoded.dtype == np.uint16:
            return Stored(decoded.view(np.int16))
        return Stored(decoded.astype(np.int16))
    if high - low <= INT16.max - INT16.min:
        offset = 32768 if low >= 0 and high <= 65535 else low - INT16.min
        return Stored((decoded.astype(np.int64) - offset).astype(np.int16), 1.0, float(offset))
    return _quantised(decoded, float(low), float(high), None)


def _from_float(decoded: NDArray[Any]) -> Stored:
    finite = np.isfinite(decoded) if decoded.dtype.itemsize <= 4 else np.abs(decoded) < LARGEST
    all_finite = bool(finite.all())
    values = decoded if all_finite else decoded[finite]
    if not values.size:
        return Stored(
            np.zeros(decoded.shape, np.int16), warnings=("Every pixel is NaN or infinite; all are shown as 0.",)
        )
    low, high = float(values.min()), float(values.max())
    if all_finite and low >= INT16.min and high <= INT16.max and np.array_equal(values, np.rint(values)):
        return Stored(decoded.astype(np.int16))
    return _quantised(decoded, low, high, None if all_finite else finite)


def _quantised(decoded: NDArray[Any], low: float, high: float, finite: NDArray[np.bool_] | None) -> Stored:
    """The range in 65535 levels, slice by slice; the 65536th, -32768, is left for pixels that are not finite."""
    step = (high - low) / (2 * INT16.max) or 1.0
    middle = low + INT16.max * step
    array = np.empty(decoded.shape, np.int16)
    for k in range(decoded.shape[0]):
        values = decoded[k].astype(np.float64)
        if finite is not None:
            values[~finite[k]] = low
        array[k] = np.rint((values - middle) / step)
        if finite is not None:
            array[k][~finite[k]] = INT16.min
    said = [f"Values are kept to a step of {step:.3g}: the file's own type has more digits than 16 bits hold."]
    if finite is not None:
        said.append(f"{int((~finite).sum())} pixels are NaN or infinite; they are marked as padding.")
    return Stored(array, step, middle, None if finite is None else int(INT16.min), tuple(said))


def percentile_window(stored: NDArray[Any], slope: float, intercept: float, padding: int | None) -> Window:
    """The 0.5-99.5 percentile window, in values, over a sample that leaves padding out; named "auto"."""
    flat = stored.reshape(-1)
    sample = flat[:: max(1, flat.size // SAMPLE)]
    if padding is not None and (sample != padding).any():
        sample = sample[sample != padding]
    low, high = (float(v) * slope + intercept for v in np.percentile(sample, (0.5, 99.5)))
    low, high = min(low, high), max(low, high)
    if high == low:
        low, high = float(sample.min()) * slope + intercept, float(sample.max()) * slope + intercept
    return Window((low + high) / 2, abs(high - low) or 1.0, "auto")

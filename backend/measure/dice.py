"""Overlap of two masks."""

import numpy as np
from numpy.typing import NDArray


def dice(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """2 |a & b| / (|a| + |b|) of two boolean arrays of one shape; 1.0 when both are empty.

    ValueError when the shapes differ: broadcasting would give a number that means nothing.
    """
    if a.shape != b.shape:
        raise ValueError(f"masks lie on different grids: {a.shape} and {b.shape}")
    total = int(np.count_nonzero(a)) + int(np.count_nonzero(b))
    return 2.0 * int(np.count_nonzero(a & b)) / total if total else 1.0

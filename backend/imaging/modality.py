"""A guess at the modality for formats that do not name it (NIfTI, NRRD, MetaImage)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

LABEL_WORDS = ("seg", "label", "mask")
SAMPLE = 2_000_000


def guess_modality(stored: NDArray[Any], slope: float, intercept: float, name: str, warnings: list[str]) -> str:
    """CT when values look like Hounsfield units, else MR when there is more than one slice, else OT; adds a warning.

    stored: (k, j, i), value = stored * slope + intercept. A label map (see
    `_looks_like_labels`) is OT. MR stands for "not CT": no expert for CT will run on it; what it is the reader knows.
    """
    taken = stored.reshape(-1)[:: max(1, stored.size // SAMPLE)]
    sample = taken[np.isfinite(taken)].astype(np.float64) * slope + intercept
    if sample.size and _looks_like_labels(sample, any(word in name.lower() for word in LABEL_WORDS)):
        warnings.append("This looks like a label map; it is shown as an image.")
        return "OT"
    if sample.size and stored.shape[0] > 1 and looks_like_ct(sample):
        modality = "CT"
    else:
        modality = "MR" if stored.shape[0] > 1 else "OT"
    warnings.append(f"The file does not name its modality; {modality} is guessed from the values.")
    return modality


def looks_like_ct(sample: NDArray[np.float64]) -> bool:
    """Whether values can be Hounsfield units: the lowest from -4096 to -900, the highest from 100 to 32767; at least
    0.1 % air or lung (-1100 to -700) and 5 % fat or soft tissue (-150 to 300); and at most 1 % below air, the lowest
    value (padding) not counted. MR, PET and phase images fail one of these; crops without any air fail too.
    """
    low, high = float(sample.min()), float(sample.max())
    if not (-4096 <= low <= -900 and 100 <= high <= 32767):
        return False
    air = float(((sample >= -1100) & (sample <= -700)).mean())
    soft = float(((sample >= -150) & (sample <= 300)).mean())
    below = float(((sample < -1100) & (sample > low)).mean())
    return air >= 0.001 and soft >= 0.05 and below <= 0.01


def _looks_like_labels(sample: NDArray[np.float64], named_so: bool) -> bool:
    """Whole numbers from 0 to 1000, few of them; without a name that says so no more than three."""
    if sample.min() < 0 or sample.max() > 1000 or not np.array_equal(sample, np.rint(sample)):
        return False
    return np.unique(sample).size <= (256 if named_so else 3)

"""CXR_LUNGS on radiographs it was not trained on, with human-reviewed masks."""

import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from backend.domain.geometry import Geometry, Unit
from backend.domain.volume import Volume
from backend.experts.card import Draft, Prompt
from backend.experts.cxr_lungs import EXPERT
from backend.measure.dice import dice


def run(shared_data: Path) -> dict[str, Any]:
    """Dice of both lungs together per image, and seconds."""
    scores, seconds = {}, []
    for path in sorted((shared_data / "cxr_lungmask" / "images").iterdir()):
        pixels = np.asarray(Image.open(path).convert("L"))
        truth = (
            np.asarray(Image.open(shared_data / "cxr_lungmask" / "masks" / f"{path.stem}_lungs.png").convert("L")) > 127
        )
        volume = Volume(pixels[None], Geometry.of((1, *pixels.shape), np.eye(4), unit=Unit.PIXEL))
        started = time.perf_counter()
        found = np.zeros(truth.shape, dtype=bool)
        for draft in EXPERT.propose(volume, Prompt(), lambda fraction, step: None):
            if isinstance(draft, Draft) and draft.mask is not None:
                found |= draft.mask[0]
        seconds.append(time.perf_counter() - started)
        scores[path.stem] = dice(found, truth)
    values = list(scores.values())
    return {
        "dice": scores,
        "dice, mean": statistics.mean(values),
        "dice, sd": statistics.stdev(values),
        "dice, lowest": min(values),
        "images, n": len(values),
        "seconds, median": statistics.median(seconds),
        "data": "cxr_lungmask, held out: no image or patient of it was trained or tuned on",
    }

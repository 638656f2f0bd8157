"""A small picture of a series for lists: the middle slice, in radiological orientation, through a sensible window."""

import io

import numpy as np
from numpy.typing import NDArray

from backend.domain.volume import Quantity, Volume, Window

SIDE = 96


def thumbnail(volume: Volume, side: int = SIDE) -> bytes:
    """PNG bytes, at most `side` pixels on the longer edge. Touches one slice of a memory-mapped volume."""
    from PIL import Image

    pixels, (height, width) = _middle(volume)
    shown = pixels if volume.is_colour else _grey(volume, pixels)
    image = Image.fromarray(np.ascontiguousarray(shown))
    scale = side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    out = io.BytesIO()
    image.resize(size, Image.Resampling.BILINEAR).save(out, "PNG")
    return out.getvalue()


def _middle(volume: Volume) -> tuple[NDArray[np.generic], tuple[float, float]]:
    """The slice, and its height and width in units of the geometry."""
    geometry = volume.geometry
    spacing = geometry.spacing
    if geometry.is_planar:
        return volume.array[0], (geometry.shape[1] * spacing[1], geometry.shape[2] * spacing[2])
    (across, left), (down, posterior), (through, _) = geometry.anatomical_axes()
    plane = np.take(volume.array, geometry.shape[through] // 2, axis=through)
    if down > across:
        plane = plane.swapaxes(0, 1)
    plane = plane[::posterior, ::left]
    return plane, (geometry.shape[down] * spacing[down], geometry.shape[across] * spacing[across])


def _grey(volume: Volume, pixels: NDArray[np.generic]) -> NDArray[np.uint8]:
    values = pixels.astype(np.float32) * volume.slope + volume.intercept
    window = _window(volume, values)
    grey = np.clip((values - window.centre) / window.width + 0.5, 0, 1)
    shown: NDArray[np.uint8] = ((1 - grey if volume.inverted else grey) * 255).astype(np.uint8)
    return shown


def _window(volume: Volume, values: NDArray[np.float32]) -> Window:
    """The file's own first; else soft tissue for CT; else what most of the slice spans."""
    if volume.windows:
        return volume.windows[0]
    if volume.quantity is Quantity.HU:
        return Window(40, 400)
    low, high = np.percentile(values, (0.5, 99.5))
    return Window(float(low + high) / 2, max(float(high - low), 1e-6))

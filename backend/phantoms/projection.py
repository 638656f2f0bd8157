"""The detector of a computed radiograph, and the ways of putting tissue on it.

Bones and vessels are tubes round a curve in space: the curve's length element, projected and convolved with a disc, is
the chord through the tube. That one rule gives ribs their bright borders where they turn along the beam.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

FIELD_MM = 400.0  # height and width of the detector


@dataclass(frozen=True)
class Build:
    """One patient and one exposure; lengths in mm, x to the image's right, y down, from the detector's centre."""

    apex: float  # y of the apices
    base: float  # y of the right costophrenic angle
    left_base: float  # how much lower the left angle lies
    half_width: float  # of the rib cage at its widest
    medial: float  # distance of the lungs' inner border from the midline
    dome: float  # height of the right dome over its angle
    left_dome: float
    heart: float  # 0.8 small - 1.5 large
    depth: float  # of the chest along the beam
    slope: float  # how far ribs fall from back to front
    tilt: float  # radians
    shift: tuple[float, float]
    zoom: float


class Canvas:
    """The detector grid in mm, and the three ways of putting tissue on it."""

    def __init__(self, size: int, build: Build) -> None:
        self.size, self.pixel = size, FIELD_MM / size
        self.build = build
        axis = (np.arange(size) + 0.5) * self.pixel - FIELD_MM / 2
        x, y = np.meshgrid(axis - build.shift[0], axis - build.shift[1])
        c, s = np.cos(build.tilt) / build.zoom, np.sin(build.tilt) / build.zoom
        self.x: Array = c * x + s * y
        self.y: Array = c * y - s * x

    def smooth(self, image: Array, mm: float) -> Array:
        from scipy.ndimage import gaussian_filter

        smoothed: Array = gaussian_filter(image, mm * self.build.zoom / self.pixel, mode="nearest")
        return smoothed

    def ellipsoid(self, x: float, y: float, rx: float, ry: float, chord: float, turn: float = 0.0) -> Array:
        """Millimetres of an ellipsoid along the beam; `chord` through its middle."""
        c, s = np.cos(turn), np.sin(turn)
        u, v = self.x - x, self.y - y
        inside = 1 - ((c * u + s * v) / rx) ** 2 - ((c * v - s * u) / ry) ** 2
        depth: Array = chord * np.sqrt(np.clip(inside, 0, None))
        return depth

    def tubes(self, curves: list[Array], radius: float) -> Array:
        """Chord through tubes of one radius (mm) round curves of (n, 3) points x, y, z."""
        from scipy.signal import fftconvolve

        line = np.zeros((self.size, self.size))
        for curve in curves:
            self._draw(line, curve)
        r = radius * self.build.zoom / self.pixel
        reach = int(np.ceil(r)) + 1
        v, u = np.mgrid[-reach : reach + 1, -reach : reach + 1]
        disc = np.clip(r + 0.5 - np.hypot(u, v), 0, 1)
        disc *= np.pi * r * r / disc.sum()
        chord: Array = fftconvolve(line, disc, mode="same") * self.pixel / self.build.zoom
        return np.clip(chord, 0, None)

    def _draw(self, line: Array, curve: Array) -> None:
        """Add the length of a curve in space to the pixels under it, shared among the four nearest."""
        fine = _resampled(curve, 0.6 * self.pixel)
        length = np.linalg.norm(np.diff(fine, axis=0), axis=1) * self.build.zoom / self.pixel
        middle = (fine[1:] + fine[:-1]) / 2
        c, s = np.cos(self.build.tilt), np.sin(self.build.tilt)
        x = self.build.zoom * (c * middle[:, 0] - s * middle[:, 1]) + self.build.shift[0]
        y = self.build.zoom * (s * middle[:, 0] + c * middle[:, 1]) + self.build.shift[1]
        i, j = (x + FIELD_MM / 2) / self.pixel - 0.5, (y + FIELD_MM / 2) / self.pixel - 0.5
        i0, j0 = np.floor(i).astype(int), np.floor(j).astype(int)
        keep = (i0 >= 0) & (j0 >= 0) & (i0 < self.size - 1) & (j0 < self.size - 1)
        for dj in (0, 1):
            for di in (0, 1):
                share = np.abs(1 - dj - (j - j0)) * np.abs(1 - di - (i - i0)) * length
                np.add.at(line, (j0[keep] + dj, i0[keep] + di), share[keep])


def _resampled(curve: Array, step: float) -> Array:
    """The curve with points every `step` mm of its length, linear between them."""
    at = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
    fine = np.linspace(0, at[-1], max(2, int(at[-1] / step)))
    return np.stack([np.interp(fine, at, curve[:, axis]) for axis in range(curve.shape[1])], axis=1)


def through(points: list[tuple[float, float]], at: Array) -> Array:
    from scipy.interpolate import PchipInterpolator

    known = np.array(points)
    value: Array = PchipInterpolator(known[:, 0], known[:, 1])(np.clip(at, known[0, 0], known[-1, 0]))
    return value

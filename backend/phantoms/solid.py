"""Drawing smooth solids into a CT grid, and growing vessel trees inside a region.

Points are (x, y, z) in LPS millimetres. What is drawn is the fraction of each voxel that a solid fills, so edges carry
partial volume as in a scan.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.domain.geometry import Geometry, Shape

Array = NDArray[np.float32]
Points = NDArray[np.float64]

AIR = -1000


@dataclass(frozen=True)
class Grid:
    """An axial LPS grid. x, y, z: millimetres of the voxel centres, shaped to broadcast over (k, j, i)."""

    geometry: Geometry
    x: Array
    y: Array
    z: Array

    @staticmethod
    def of(geometry: Geometry) -> "Grid":
        (k, j, i), (sk, sj, si), (x, y, z) = geometry.shape, geometry.spacing, geometry.origin
        return Grid(
            geometry,
            (x + si * np.arange(i, dtype=np.float32))[None, None, :],
            (y + sj * np.arange(j, dtype=np.float32))[None, :, None],
            (z + sk * np.arange(k, dtype=np.float32))[:, None, None],
        )

    @property
    def blur(self) -> float:
        """Width in mm over which an edge turns from empty to full."""
        return float(np.mean(self.geometry.spacing))

    def empty(self) -> Array:
        return np.zeros(self.geometry.shape, dtype=np.float32)

    def filled(self, distance: Array) -> Array:
        """Fraction filled from a signed distance in mm, positive inside."""
        fraction: Array = np.clip(distance / np.float32(self.blur) + np.float32(0.5), 0, 1)
        return fraction

    def ellipsoid(
        self, centre: tuple[float, float, float], radii: tuple[float, float, float], turn: float = 0
    ) -> Array:
        """Fraction filled; `turn`: radians about the long axis of the body."""
        c, s = np.float32(np.cos(turn)), np.float32(np.sin(turn))
        x, y, z = self.x - np.float32(centre[0]), self.y - np.float32(centre[1]), self.z - np.float32(centre[2])
        a, b = (c * x + s * y) / np.float32(radii[0]), (c * y - s * x) / np.float32(radii[1])
        reach = np.sqrt((a * a + b * b) + (z / np.float32(radii[2])) ** 2)
        return self.filled((1 - reach) * np.float32(np.mean(radii)))

    def draw(self, canvas: Array, curve: Points, radii: NDArray[np.float64] | float) -> None:
        """Add a tube round a polyline, (n, 3), to a canvas of fractions, in place. One radius or one per point."""
        widths = np.broadcast_to(np.asarray(radii, dtype=np.float64), len(curve))
        for n in range(len(curve) - 1):
            self._capsule(canvas, curve[n], curve[n + 1], float(widths[n]), float(widths[n + 1]))

    def _capsule(self, canvas: Array, a: Points, b: Points, ra: float, rb: float) -> None:
        spacing = np.array(self.geometry.spacing)[::-1]
        origin, shape = np.array(self.geometry.origin), np.array(self.geometry.shape)[::-1]
        reach = max(ra, rb) + self.blur
        low = np.clip(np.floor((np.minimum(a, b) - reach - origin) / spacing), 0, shape).astype(int)
        high = np.clip(np.ceil((np.maximum(a, b) + reach - origin) / spacing) + 1, 0, shape).astype(int)
        if (high <= low).any():
            return
        part = tuple(slice(low[n], high[n]) for n in (2, 1, 0))
        x, y, z = self.x[:, :, part[2]], self.y[:, part[1]], self.z[part[0]]
        axis = (b - a).astype(np.float32)
        square = max(float(axis @ axis), 1e-6)
        dx, dy, dz = x - np.float32(a[0]), y - np.float32(a[1]), z - np.float32(a[2])
        along = np.clip((dx * axis[0] + dy * axis[1] + dz * axis[2]) / np.float32(square), 0, 1)
        away = np.sqrt((dx - along * axis[0]) ** 2 + (dy - along * axis[1]) ** 2 + (dz - along * axis[2]) ** 2)
        radius = np.float32(ra) + along * np.float32(rb - ra)
        thin = np.minimum(1, (radius / np.float32(0.5 * self.blur)) ** 2)  # thinner than a voxel: it fills a part of it
        np.maximum(canvas[part], self.filled(radius - away) * thin, out=canvas[part])


@dataclass(frozen=True)
class Tree:
    """A branching vessel: points (n, 3), the parent of each (-1 for the root), the radius in mm at each."""

    points: Points
    parents: NDArray[np.int64]
    radii: NDArray[np.float64]


def smooth_curve(points: list[tuple[float, float, float]], count: int = 16) -> Points:
    """A curve of `count` points through the given ones, by a cubic spline over their chord length."""
    from scipy.interpolate import CubicSpline

    known = np.array(points, dtype=np.float64)
    if len(known) == 2:
        return np.linspace(known[0], known[1], count)
    at = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(known, axis=0), axis=1))])
    curve: Points = CubicSpline(at, known)(np.linspace(0, at[-1], count))
    return curve


def grow_tree(root: tuple[float, float, float], targets: Points, leaf: float, step: float = 5.0) -> Tree:
    """Connect every target, nearest first, to the closest part of the tree grown so far.

    Radii follow Murray's law (the cubes of the daughters' add up) from `leaf` mm at the ends.
    """
    points, parents, depth = [np.array(root)], [-1], [0.0]
    for target in targets[np.argsort(np.linalg.norm(targets - np.array(root), axis=1))]:
        known = np.array(points)
        away = np.linalg.norm(known - target, axis=1)
        start = int(np.argmin(away + 0.35 * np.array(depth)))
        pieces = max(1, int(away[start] / step))
        bow = np.cross(target - known[start], (0.3, 0.5, 0.8)) * 0.12
        for n in range(1, pieces + 1):
            t = n / pieces
            points.append(known[start] + t * (target - known[start]) + np.sin(np.pi * t) * bow)
            parents.append(start if n == 1 else len(points) - 2)
            depth.append(depth[parents[-1]] + float(away[start]) / pieces)
    leaves = np.zeros(len(points))
    leaves[np.setdiff1d(np.arange(len(points)), parents)] = 1
    for n in range(len(points) - 1, 0, -1):
        leaves[parents[n]] += leaves[n]
    return Tree(np.array(points), np.array(parents), leaf * leaves ** (1 / 3))


class Scan:
    """Hounsfield units under construction."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.hu: Array = np.full(grid.geometry.shape, AIR, dtype=np.float32)

    def lay(self, fraction: Array, hu: float | Array) -> None:
        """Replace what is there by `hu` as far as `fraction` says."""
        self.hu += fraction * (hu - self.hu)

    def tube(self, curve: Points, radii: NDArray[np.float64] | float, hu: float) -> Array:
        """Lay a tube and return its fractions."""
        canvas = self.grid.empty()
        self.grid.draw(canvas, curve, radii)
        self.lay(canvas, hu)
        return canvas


def noise_field(shape: Shape, random: np.random.Generator, coarse: int) -> Array:
    """Smooth noise of unit variance whose features are `coarse` voxels wide in the slice."""
    from scipy.ndimage import gaussian_filter, zoom

    small = tuple(max(4, n // f) for n, f in zip(shape, (max(1, coarse // 2), coarse, coarse), strict=True))
    field = gaussian_filter(random.normal(size=small).astype(np.float32), 1.0)
    full: Array = zoom(field / field.std(), [n / s for n, s in zip(shape, small, strict=True)], order=1)
    return full

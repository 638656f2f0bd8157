"""Sizes of a region, and where in the chest it lies."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.domain.geometry import Geometry, Index, Unit
from backend.domain.region import Box3D
from backend.domain.review import Measurement
from backend.domain.volume import Quantity, Volume

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

ENOUGH = 400  # points whose distances are all compared; beyond, only the extremes along DIRECTIONS are
DIRECTIONS = 256  # over half the sphere, 6 degrees apart: a longest diameter is short by 0.2 % at most
CUT = 0.1  # a lung that fills more of the first or last slice than this share of its largest is cut off
NEAR_MM = 20.0  # a place this far outside both lungs has no zone


def measure_mask(voxels: Bools, volume: Volume, box: Box3D | None = None) -> tuple[Measurement, ...]:
    """Volume (mL) or area (mm2), longest diameter, longest axial diameter (mm), and "HU mean" on CT.

    voxels: (k, j, i) on the volume's grid, or on `box` of it. Without calibration everything is in "px" (volume and
    area are then counts). Where 3D geometry cannot be trusted only measures within one slice are given. () when empty.
    """
    box = box if box is not None else Box3D(0, 0, 0, *(n - 1 for n in volume.geometry.shape))
    if voxels.shape != box.shape or not box.within(volume.geometry.shape):
        raise ValueError(f"mask {voxels.shape} does not lie on {box} of grid {volume.geometry.shape}")
    if not voxels.any():
        return ()
    sizes = _planar(voxels, volume.geometry) if volume.geometry.is_planar else _solid(voxels, volume.geometry)
    if volume.quantity is Quantity.HU:
        stored = volume.array[box.slices][voxels]
        if volume.padding is not None:
            stored = stored[stored != volume.padding]
        if stored.size:
            mean = float(stored.mean(dtype=np.float64)) * volume.slope + volume.intercept
            sizes = (*sizes, Measurement("HU mean", round(mean, 1), "HU"))
    return sizes


def _planar(voxels: Bools, geometry: Geometry) -> tuple[Measurement, ...]:
    count = int(np.count_nonzero(voxels))
    longest = Measurement("longest diameter", round(longest_diameter(voxels, geometry), 1), str(geometry.unit))
    if geometry.unit is Unit.PIXEL:
        return Measurement("area", float(count), "px"), longest
    _, dj, di = geometry.matrix[:3, :3].T
    pixel = float(np.linalg.norm(np.cross(dj, di)))
    return Measurement("area", round(count * pixel, 1), "mm2"), longest


def _solid(voxels: Bools, geometry: Geometry) -> tuple[Measurement, ...]:
    unit = str(geometry.unit)
    count = int(np.count_nonzero(voxels))
    axial_axis = geometry.anatomical_axes()[2][0]
    sizes: tuple[Measurement, ...] = ()
    if not geometry.unsafe:
        if geometry.unit is Unit.MM:
            sizes = (Measurement("volume", round(count * geometry.voxel_volume / 1000, 3), "mL"),)
        else:
            sizes = (Measurement("volume", float(count), "px"),)
        sizes = (*sizes, Measurement("longest diameter", round(longest_diameter(voxels, geometry), 1), unit))
    elif axial_axis != 0:
        return ()  # the slices are not axial, so an axial distance would cross them
    axial = longest_in_slices(voxels, geometry, axial_axis)
    return (*sizes, Measurement("longest axial diameter", round(axial, 1), unit))


def measure_box(box: Box3D, geometry: Geometry) -> tuple[Measurement, ...]:
    """An "extent" for each of (k, j, i) along which the box has more than one voxel; none across unsafe slices."""
    unit = str(geometry.unit)
    axes = [a for a in range(3) if box.shape[a] > 1 and not (a == 0 and geometry.unsafe)]
    spacing = geometry.spacing
    return tuple(Measurement("extent", round(box.shape[a] * spacing[a], 1), unit) for a in axes)


def longest_diameter(voxels: Bools, geometry: Geometry) -> float:
    """Largest distance between two points of the mask, in the grid's unit, from voxel face to voxel face."""
    return _longest(_row_ends(voxels), geometry, _half_sphere())


def longest_in_slices(voxels: Bools, geometry: Geometry, axis: int) -> float:
    """The same within single slices across array axis `axis`, the largest over all slices."""
    points = _row_ends(voxels if axis != 2 else voxels.swapaxes(0, 2))
    if axis == 2:
        points = points[:, ::-1]
    points = points[np.argsort(points[:, axis], kind="stable")]
    slices = np.split(points, np.flatnonzero(np.diff(points[:, axis])) + 1)
    spacing = np.array(geometry.spacing)
    bounds = [float(np.linalg.norm((np.ptp(p, axis=0) + 1) * spacing)) for p in slices]
    # Any basis of the slice's plane serves: the extremes are sought along its directions.
    u, v = (geometry.direction[:, a] for a in range(3) if a != axis)
    v = v - u * (u @ v)
    v /= np.linalg.norm(v)
    angles = np.linspace(0, np.pi, 64, endpoint=False)
    directions = np.cos(angles)[:, None] * u + np.sin(angles)[:, None] * v
    best = 0.0
    for n in np.argsort(bounds)[::-1]:
        if bounds[n] * 1.001 <= best and _is_square(geometry):
            break
        best = max(best, _longest(slices[n], geometry, directions))
    return best


def _is_square(geometry: Geometry) -> bool:
    """Whether the axes stand at right angles, so that a bounding box bounds distances."""
    d = geometry.direction
    return bool(np.abs(d.T @ d - np.eye(3)).max() < 1e-3)


def _row_ends(voxels: Bools) -> Floats:
    """First and last set voxel of each row along i, (n, 3) indices: no other voxel can be an end of a diameter."""
    hit = voxels.any(axis=2)
    rows = np.argwhere(hit)
    lines = voxels[hit]
    first = lines.argmax(axis=1)
    last = lines.shape[1] - 1 - lines[:, ::-1].argmax(axis=1)
    both = np.concatenate([np.column_stack([rows, first]), np.column_stack([rows, last])])
    return both.astype(np.float64)


def _half_sphere() -> Floats:
    """Directions spread evenly (golden spiral), (n, 3)."""
    n = np.arange(DIRECTIONS)
    z = (n + 0.5) / DIRECTIONS
    turn = n * np.pi * (3 - np.sqrt(5))
    r = np.sqrt(1 - z**2)
    return np.column_stack([r * np.cos(turn), r * np.sin(turn), z])


def _longest(points: Floats, geometry: Geometry, directions: Floats) -> float:
    """Largest distance between index points, plus the chord of one voxel along it (half at each end)."""
    step = geometry.matrix[:3, :3]
    if len(points) > ENOUGH:
        along = (points @ step.T).astype(np.float32) @ directions.T.astype(np.float32)
        points = points[np.unique(np.concatenate([along.argmax(axis=0), along.argmin(axis=0)]))]
    between = points[:, None] - points[None]
    distance = np.sqrt(((between @ step.T) ** 2).sum(-1))
    a, b = np.unravel_index(int(distance.argmax()), distance.shape)
    if distance[a, b] == 0:
        return float(
            max(s for s, n in zip(geometry.spacing, geometry.shape, strict=True) if n > 1 or geometry.is_planar)
        )
    chord = float(distance[a, b]) / float(np.abs(points[a] - points[b]).max())
    finest = min(s for s, n in zip(geometry.spacing, geometry.shape, strict=True) if n > 1)
    return float(distance[a, b]) + min(chord, finest)


@dataclass(frozen=True)
class LungMasks:
    """Both lungs on the series' grid, (k, j, i) bool."""

    right: Bools
    left: Bools


def site_of(index: Index, geometry: Geometry, lungs: LungMasks | None = None) -> str:
    """Side and zone of a (k, j, i) place, e.g. "right upper zone"; "" when unknown.

    The side is the one the nearer lung has; zones are thirds from its lowest to its highest voxel towards the head. A
    lung that the volume cuts off has no thirds: then the side alone is said, e.g. "right lung".
    """
    if lungs is None:
        return ""
    nearest, word, chosen = np.inf, "", None
    for side, mask in (("right", lungs.right), ("left", lungs.left)):
        if mask.any():
            away = _distance(index, mask, geometry)
            if away < nearest:
                nearest, word, chosen = away, side, mask
    limit = NEAR_MM if geometry.unit is Unit.MM else 0.1 * max(geometry.shape)
    if chosen is None or nearest > limit:
        return ""
    axis, sense = geometry.anatomical_axes()[2]
    areas = chosen.sum(axis=tuple(a for a in range(3) if a != axis))
    if not geometry.is_planar and max(areas[0], areas[-1]) > CUT * areas.max():
        return f"{word} lung"
    filled = np.flatnonzero(areas)
    height = (index[axis] - filled[0] + 0.5) / (filled[-1] - filled[0] + 1)
    height = height if sense > 0 else 1 - height
    zone = "upper" if height > 2 / 3 else "middle" if height > 1 / 3 else "lower"
    return f"{word} {zone} zone"


def _distance(index: Index, mask: Bools, geometry: Geometry) -> float:
    """From a place to the nearest voxel of a mask, exact within 2 NEAR_MM, else infinite."""
    spacing = geometry.spacing
    reach = [2 * NEAR_MM / s if geometry.unit is Unit.MM else 0.2 * max(geometry.shape) for s in spacing]
    window = tuple(slice(max(0, int(c - r)), max(0, int(c + r) + 1)) for c, r in zip(index, reach, strict=True))
    near = np.argwhere(mask[window])
    if not len(near):
        return np.inf
    offset = near + np.array([w.start for w in window]) - np.array(index)
    return float(np.sqrt(((offset @ geometry.matrix[:3, :3].T) ** 2).sum(1)).min())

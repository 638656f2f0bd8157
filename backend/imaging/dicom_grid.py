"""Slice planes to a grid (PS3.3 C.7.6.2.1.1). What keeps them from being regular is said, never smoothed over."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

SAME_PLACE_MM = 1e-3
STEP_TOLERANCE = 0.01
"""Steps between slices may differ by this share of the usual step, or by ROUNDING_MM if that is more."""
ROUNDING_MM = 0.01
COSINE_TOLERANCE = 1e-3
TILT_TOLERANCE = 0.01
"""Sideways shift a slice, as a share of the step: about 0.6 degrees."""

IDENTITY = (np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0]))


@dataclass(frozen=True, eq=False)
class Plane:
    """One slice: position (3,) of its first pixel in LPS mm, unit vectors row (toward rising i) and column (rising j).

    rough: the header's cosines were not orthonormal and had to be made so.
    """

    position: Vector
    row: Vector
    column: Vector
    rough: bool = False

    @property
    def normal(self) -> Vector:
        return np.cross(self.row, self.column)

    def same_orientation(self, other: "Plane") -> bool:
        """Cosines agree within a tolerance: headers round them to as few as three digits."""
        return bool(
            np.abs(self.row - other.row).max() < COSINE_TOLERANCE
            and np.abs(self.column - other.column).max() < COSINE_TOLERANCE
        )


@dataclass(frozen=True, eq=False)
class Stack:
    """order: plane indices in the order of rising k. steps: LPS step of k in mm, (3,). unsafe: see Geometry.unsafe."""

    order: list[int]
    step: Vector
    unsafe: tuple[str, ...]


def plane_of(position: Sequence[float], orientation: Sequence[float]) -> Plane | None:
    """From Image Position and Image Orientation (Patient); None when they cannot describe a plane."""
    at, cosines = np.asarray(position, dtype=np.float64), np.asarray(orientation, dtype=np.float64)
    if at.shape != (3,) or cosines.shape != (6,) or not (np.isfinite(at).all() and np.isfinite(cosines).all()):
        return None
    row, column = cosines[:3], cosines[3:]
    lengths = np.linalg.norm(row), np.linalg.norm(column)
    if min(lengths) < 0.1 or np.abs(at).max() > 1e6:
        return None
    row, column = row / lengths[0], column / lengths[1]
    skew = float(row @ column)
    if abs(skew) > 0.5:
        return None
    rough = bool(abs(skew) > 0.01 or max(abs(v - 1) for v in lengths) > 0.01)
    column = column - skew * row
    return Plane(at, row, column / np.linalg.norm(column), rough)


def stack_planes(planes: Sequence[Plane], thickness: float | None) -> Stack:
    """Sort planes (one or more) along their normal, k toward the head when they are axial, and find the step of k.

    thickness: slice thickness in mm, used for a single slice alone.
    """
    normal = planes[0].normal
    if np.argmax(np.abs(normal)) == 2 and normal[2] < 0:
        normal = -normal
    unsafe: list[str] = []
    if any(p.rough for p in planes):
        unsafe.append("The slices' direction cosines are not at right angles.")
    if len(planes) == 1:
        if thickness is None:
            unsafe.append("The file gives no slice thickness, so volumes cannot be measured.")
        return Stack([0], normal * (thickness or 1.0), tuple(unsafe))
    if not all(p.same_orientation(planes[0]) for p in planes):
        unsafe.append("The slices do not all lie in the same orientation.")
        return Stack(list(range(len(planes))), normal * (thickness or 1.0), tuple(unsafe))
    positions = np.array([p.position for p in planes])
    along = positions @ normal
    order = [int(n) for n in np.argsort(along, kind="stable")]
    step, said = _step(positions[order], along[order], normal, thickness)
    return Stack(order, step, (*unsafe, *said))


def _step(positions: Vector, along: Vector, normal: Vector, thickness: float | None) -> tuple[Vector, list[str]]:
    """The step of k between sorted planes, and what is irregular about them."""
    unsafe: list[str] = []
    gaps = np.diff(along)
    same = gaps < SAME_PLACE_MM
    if same.any():
        unsafe.append(f"Slices that lie at the same place as another one: {int(same.sum())}.")
    apart = gaps[~same]
    if not apart.size:
        return normal * (thickness or 1.0), unsafe
    usual = float(np.median(apart))
    tolerance = max(STEP_TOLERANCE * usual, ROUNDING_MM)
    whole = np.rint(apart / usual)
    is_gap = (whole >= 2) & (np.abs(apart - whole * usual) <= tolerance * whole)
    missing = int((whole[is_gap] - 1).sum())
    if missing:
        unsafe.append(f"Slices missing inside the stack: {missing} (steps of {usual:.4g} to {apart.max():.4g} mm).")
    if (np.abs(apart[~is_gap] - usual) > tolerance).any():
        unsafe.append(f"The slices are unequally spaced ({apart.min():.4g} to {apart.max():.4g} mm).")
    step = normal * usual
    if not unsafe:  # The whole displacement, so that a tilted gantry's shear is in the affine.
        step = (positions[-1] - positions[0]) / (len(positions) - 1)
    if len(positions) == 2:
        unsafe.append("Two slices alone do not show that their spacing is regular.")
    unsafe.extend(_sideways(positions, along, normal, usual))
    return step, unsafe


def _sideways(positions: Vector, along: Vector, normal: Vector, usual: float) -> list[str]:
    """Gantry tilt (every slice shifted alike, which the affine follows by shear) or slices shifted at random."""
    beside = positions - np.outer(along, normal)
    beside = beside - beside[0]
    depth = along - along[0]
    slope = (depth @ beside) / float(depth @ depth)
    tolerance = max(TILT_TOLERANCE * usual, ROUNDING_MM)
    if np.linalg.norm(beside - np.outer(depth, slope), axis=1).max() > tolerance:
        return ["The slices are shifted sideways against each other."]
    shift = float(np.linalg.norm(slope))
    if shift * usual > tolerance:
        return [f"The slices are sheared by gantry tilt ({np.degrees(np.arctan(shift)):.1f} degrees)."]
    return []


def grid_affine(plane: Plane | None, step: Vector | None, row_step: float, column_step: float) -> Vector:
    """4 x 4 affine of (k, j, i): `row_step` between rows (along j), `column_step` between columns (along i)."""
    row, column = (plane.row, plane.column) if plane else IDENTITY
    affine = np.eye(4)
    affine[:3, 0] = np.cross(row, column) if step is None else step
    affine[:3, 1] = column * row_step
    affine[:3, 2] = row * column_step
    affine[:3, 3] = plane.position if plane else 0.0
    return affine

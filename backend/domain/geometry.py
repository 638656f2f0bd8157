"""Where voxels lie in the patient.

World is patient LPS in millimetres (DICOM PS3.3 C.7.6.2.1.1). Index is (k, j, i) = (slice, row, column), the array's
own order, integers at voxel centres.
"""

from dataclasses import dataclass
from enum import StrEnum
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

Index = tuple[float, float, float]
Shape = tuple[int, int, int]
Affine = tuple[tuple[float, float, float, float], ...]


class Unit(StrEnum):
    """What one step of `Geometry.affine` measures. PIXEL: nothing is calibrated, so never show millimetres."""

    MM = "mm"
    PIXEL = "px"


@dataclass(frozen=True)
class Geometry:
    """The grid of a volume.

    shape: (k, j, i), all at least 1; a 2D image has k = 1.
    affine: 4 x 4 rows, maps the column (k, j, i, 1) to LPS mm (or pixels).
    unit: MM or PIXEL.
    frame_of_reference: DICOM Frame of Reference UID or "".
    unsafe: sentences that say why 3D measurements on this grid cannot be trusted; empty when they can.
    """

    shape: Shape
    affine: Affine
    unit: Unit = Unit.MM
    frame_of_reference: str = ""
    unsafe: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise ValueError(f"shape must be three positive integers, not {self.shape}")
        a = np.asarray(self.affine, dtype=float)
        if a.shape != (4, 4) or not np.isfinite(a).all():
            raise ValueError("affine must be 4 x 4 and finite")
        if abs(np.linalg.det(a[:3, :3])) < 1e-9:
            raise ValueError("affine is singular: two axes point the same way or a spacing is zero")

    @staticmethod
    def of(shape: Shape, affine: NDArray[np.floating], **rest: object) -> "Geometry":
        """Build from a 4 x 4 array."""
        rows = tuple(tuple(float(v) for v in row) for row in np.asarray(affine, dtype=float))
        return Geometry(tuple(int(n) for n in shape), rows, **rest)  # type: ignore[arg-type]

    @staticmethod
    def from_itk(
        shape: Shape,
        spacing_ijk: tuple[float, float, float],
        origin: tuple[float, float, float],
        direction: NDArray[np.floating],
        **rest: object,
    ) -> "Geometry":
        """Build from ITK's words: spacing along (i, j, k), LPS origin of voxel 0, direction columns for (i, j, k)."""
        a = np.eye(4)
        a[:3, :3] = (np.asarray(direction, dtype=float).reshape(3, 3) * np.asarray(spacing_ijk))[:, ::-1]
        a[:3, 3] = origin
        return Geometry.of(shape, a, **rest)

    @property
    def matrix(self) -> NDArray[np.float64]:
        """The affine as a 4 x 4 array."""
        return np.asarray(self.affine, dtype=np.float64)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance between neighbours along (k, j, i), in `unit`."""
        s = np.linalg.norm(self.matrix[:3, :3], axis=0)
        return float(s[0]), float(s[1]), float(s[2])

    @property
    def direction(self) -> NDArray[np.float64]:
        """3 x 3, column c = unit vector of array axis c (k, j, i) in LPS."""
        m = self.matrix[:3, :3]
        d: NDArray[np.float64] = m / np.linalg.norm(m, axis=0)
        return d

    @property
    def origin(self) -> tuple[float, float, float]:
        """LPS of voxel (0, 0, 0)."""
        o = self.matrix[:3, 3]
        return float(o[0]), float(o[1]), float(o[2])

    @property
    def voxel_volume(self) -> float:
        """Cubic `unit` of one voxel."""
        return float(abs(np.linalg.det(self.matrix[:3, :3])))

    @property
    def is_planar(self) -> bool:
        return self.shape[0] == 1

    def world(self, index: Index) -> tuple[float, float, float]:
        """LPS of a (k, j, i) index."""
        w = self.matrix @ np.array([*index, 1.0])
        return float(w[0]), float(w[1]), float(w[2])

    def index(self, world: tuple[float, float, float]) -> Index:
        """(k, j, i), not rounded, of an LPS point."""
        v = np.linalg.solve(self.matrix, np.array([*world, 1.0]))
        return float(v[0]), float(v[1]), float(v[2])

    def contains(self, index: Index) -> bool:
        """Whether the index, rounded, is a voxel of the grid."""
        return all(0 <= round(v) < n for v, n in zip(index, self.shape, strict=True))

    def anatomical_axes(self) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
        """For L, P and S in turn: (array axis that runs closest to it, +1 or -1 for its sense).

        The three array axes are all different (best of the six assignments), so oblique grids still get three panes.
        """
        d = self.direction
        best = max(permutations(range(3)), key=lambda p: sum(abs(d[w, a]) for w, a in enumerate(p)))
        signed = tuple((a, 1 if d[w, a] >= 0 else -1) for w, a in enumerate(best))
        return signed[0], signed[1], signed[2]

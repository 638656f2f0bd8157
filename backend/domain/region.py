"""Places in a volume. All indices are (k, j, i) on the series' grid."""

from dataclasses import dataclass

from backend.domain.geometry import Shape


@dataclass(frozen=True)
class Point3D:
    """A voxel a reader clicked; `positive` False marks "not this"."""

    k: int
    j: int
    i: int
    positive: bool = True

    @property
    def index(self) -> tuple[int, int, int]:
        return self.k, self.j, self.i


@dataclass(frozen=True)
class Box3D:
    """An axis-aligned box; both corners are inside (inclusive). On one slice k0 == k1."""

    k0: int
    j0: int
    i0: int
    k1: int
    j1: int
    i1: int

    def __post_init__(self) -> None:
        if self.k0 > self.k1 or self.j0 > self.j1 or self.i0 > self.i1:
            raise ValueError(f"box corners are reversed: {self}")

    @property
    def shape(self) -> Shape:
        return self.k1 - self.k0 + 1, self.j1 - self.j0 + 1, self.i1 - self.i0 + 1

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """For indexing an array."""
        return slice(self.k0, self.k1 + 1), slice(self.j0, self.j1 + 1), slice(self.i0, self.i1 + 1)

    @property
    def centre(self) -> tuple[float, float, float]:
        return (self.k0 + self.k1) / 2, (self.j0 + self.j1) / 2, (self.i0 + self.i1) / 2

    def within(self, shape: Shape) -> bool:
        return min(self.k0, self.j0, self.i0) >= 0 and self.k1 < shape[0] and self.j1 < shape[1] and self.i1 < shape[2]


@dataclass(frozen=True)
class Mask:
    """One binary layer: the sha256 of its file, the box that bounds it, and its voxel count.

    The file (backend.imaging.mask) holds the box's voxels only, so a small structure in a large scan is a small file.
    """

    sha256: str
    box: Box3D
    voxels: int


Region = Box3D | Mask

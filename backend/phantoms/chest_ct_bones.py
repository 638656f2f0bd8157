"""Bones of the computed chest CT, and the cage that everything in it is fitted to. See chest_ct."""

from dataclasses import dataclass

import numpy as np

from backend.phantoms.solid import Array, Grid, Scan, noise_field, smooth_curve

HEIGHT = 288.0  # mm of the patient that the scan covers


@dataclass(frozen=True)
class Cage:
    """The inner surface of the ribs: ellipses whose half-axes and centre change with height."""

    size: float  # about 1

    def _along(self, z: float | Array, knots: tuple[float, ...]) -> Array:
        height = np.array((0.0, 0.15, 0.35, 0.55, 0.72, 0.86, 0.95, 1.0)) * HEIGHT
        from scipy.interpolate import PchipInterpolator

        value: Array = (self.size * PchipInterpolator(height, knots)(np.clip(z, 0, HEIGHT))).astype(np.float32)
        return value

    def half_width(self, z: float | Array) -> Array:
        return self._along(z, (131, 133, 131, 122, 106, 82, 54, 40))

    def half_depth(self, z: float | Array) -> Array:
        return self._along(z, (92, 92, 90, 84, 72, 55, 38, 30))

    def centre(self, z: float | Array) -> Array:
        """y of the middle."""
        return self._along(z, (-6, -6, -5, -2, 5, 14, 24, 30))

    def inside(self, grid: Grid) -> Array:
        """Signed distance in mm, positive inside, (k, j, i)."""
        a, b, c = self.half_width(grid.z), self.half_depth(grid.z), self.centre(grid.z)
        reach = ((np.abs(grid.x) / a) ** 2.3 + (np.abs(grid.y - c) / b) ** 2.3) ** np.float32(1 / 2.3)
        distance: Array = (1 - reach) * (a + b) / 2
        return distance

    def spine(self, z: float | Array) -> Array:
        """y of the middle of the vertebral bodies."""
        return self.centre(z) + self.half_depth(z) - np.float32(13)


def skeleton(scan: Scan, cage: Cage) -> Array:
    """Spine, ribs, breastbone, shoulder blades and collar bones; returns the fractions of bone."""
    grid = scan.grid
    shell, marrow, cartilage = grid.empty(), grid.empty(), grid.empty()
    _spine(grid, cage, shell, marrow)
    for n in range(13):
        _rib_pair(grid, cage, n, shell, marrow, cartilage)
    for side in (-1, 1):
        _shoulder(grid, cage, side, shell, marrow)
    front = [(0.0, float(cage.centre(z) - cage.half_depth(z)) - 3, z) for z in (104.0, 140.0, 180.0, 214.0, 232.0)]
    for shift, wide in ((-10.0, 4.8), (-5.0, 5.2), (0.0, 5.4), (5.0, 5.2), (10.0, 4.8)):
        curve = smooth_curve([(shift, y, z) for _, y, z in front])
        grid.draw(shell, curve, wide)
        grid.draw(marrow, curve, wide - 2.0)
    scan.lay(cartilage, 105)
    scan.lay(shell, 620)
    grain = noise_field(grid.geometry.shape, np.random.default_rng(3), 3)
    scan.lay(marrow, 190 + 45 * grain)
    return shell


def _spine(grid: Grid, cage: Cage, shell: Array, marrow: Array) -> None:
    """Vertebrae every 24 mm with discs between, their arches, and the processes that reach sideways and back."""
    height = np.mod(grid.z - 6, 24)
    level = np.minimum(height, 24 - height)  # 0 at the middle of a disc
    centre = cage.spine(grid.z)
    waist = 1.6 * np.exp(-(((height - 12) / 6) ** 2))
    reach = np.sqrt((grid.x / 18.5) ** 2 + ((grid.y - centre) / 14.5) ** 2)
    distance = np.minimum((1 - reach) * 16.5 - waist, level - 2.6)
    distance = np.minimum(distance, centre + 11.5 - grid.y)  # flat where it faces the canal
    np.maximum(shell, grid.filled(distance), out=shell)
    np.maximum(marrow, grid.filled(distance - 1.9), out=marrow)
    for n in range(-1, 13):
        z = 18.0 + 24 * n
        y = float(cage.spine(z))
        parts: list[tuple[list[tuple[float, float, float]], float]] = [
            ([(0, y + 28, z - 2), (0, y + 37, z - 16)], 3.2),  # spinous process
        ]
        for side in (-1, 1):
            parts += [
                ([(side * 12, y + 9, z + 4), (side * 14, y + 20, z + 3)], 4.2),  # pedicle
                ([(side * 14, y + 20, z + 3), (0, y + 31, z - 2)], 3.4),  # lamina
                ([(side * 14, y + 20, z + 3), (side * 33, y + 29, z + 5)], 4.0),  # transverse process
            ]
        for points, radius in parts:
            grid.draw(shell, np.array(points, dtype=np.float64), radius)
            grid.draw(marrow, np.array(points, dtype=np.float64), radius - 1.9)


def _rib_pair(grid: Grid, cage: Cage, n: int, shell: Array, marrow: Array, cartilage: Array) -> None:
    """Rib n, counted from the lowest in the scan: from its vertebra round the cage, falling towards the front."""
    head = 22.0 + 24 * n
    end = 118 if n < 2 else 146  # degrees from the spine at which bone gives way to cartilage
    angle = np.radians(np.linspace(14, end, 44))
    fall = 30 + 5.2 * min(9, 12 - n)
    z = head + 4 * np.sin(np.clip(angle * 3, 0, np.pi)) - fall * (angle / np.pi) ** 1.25 * 1.6
    a, b = cage.half_width(z) + 5.5, cage.half_depth(z) + 5.5
    x = a * np.abs(np.sin(angle)) ** 0.87
    y = cage.centre(z) + b * np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** 0.87
    root = np.array([[20.0, float(cage.spine(head)) + 6, head]])
    for side in (-1.0, 1.0):
        curve = np.concatenate([root, np.stack([x, y, z], axis=1)]).astype(np.float64)
        curve[:, 0] *= side
        for lift in (-1.8, 1.8):  # ribs are taller than thick
            raised = curve + np.array([0, 0, lift])
            grid.draw(shell, raised, 3.6)
            grid.draw(marrow, raised, 1.7)
        if n >= 4:
            tip = curve[-1]
            front = float(cage.centre(tip[2]) - cage.half_depth(tip[2])) - 4
            rise = min(230.0, max(104.0, float(tip[2]) + 16))
            between = (side * 40, front + 2, float(tip[2]) + 2)
            grid.draw(cartilage, smooth_curve([tuple(tip), between, (side * 15, front, rise)]), 4.6)


def _shoulder(grid: Grid, cage: Cage, side: int, shell: Array, marrow: Array) -> None:
    """Shoulder blade as a thin plate behind the ribs, and the collar bone."""
    for z in np.arange(170.0, 276.0, 3.0):
        a, b, c = (float(f(z)) for f in (cage.half_width, cage.half_depth, cage.centre))
        inner, outer = np.radians(34), np.radians(34 + 0.46 * (z - 160) * 0.55 + 18)
        angle = np.linspace(inner, outer, 6)
        plate = np.stack([side * (a + 19) * np.sin(angle), c + (b + 19) * np.cos(angle), 0 * angle + z], axis=1)
        grid.draw(shell, plate, 2.0)
        grid.draw(shell, plate[-2:], 4.4)
        grid.draw(marrow, plate[-2:], 2.4)
    y = float(cage.centre(238.0) - cage.half_depth(238.0))
    collar = smooth_curve([(side * 16, y - 2, 236), (side * 60, y - 4, 246), (side * 110, y + 22, 268)])
    grid.draw(shell, collar, 6.0)
    grid.draw(marrow, collar, 3.6)

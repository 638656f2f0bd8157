"""A chest CT that is computed, not taken: contrast-enhanced, with every structure known to the voxel.

The patient lies on the back with arms raised. Shapes are analytic, in LPS millimetres with z = 0 below the lowest
slice and the spine's side at positive y; they are painted from the skin inwards, each over the last. Lengths and
Hounsfield units follow an adult of about 1.75 m.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.domain.geometry import Geometry, Shape
from backend.domain.volume import Quantity, Volume, Window
from backend.phantoms.chest_ct_bones import HEIGHT, Cage, skeleton
from backend.phantoms.chest_ct_tubes import BLOOD, airways_lumen, great_vessels, lung_vessels
from backend.phantoms.solid import AIR, Array, Grid, Scan, noise_field, smooth_curve

Mask = NDArray[np.bool_]

WIDTH = 372.0  # mm, the field of view in the slice
FAT, MUSCLE, LUNG = -102, 52, -862
WINDOWS = (Window(-600, 1500, "lung"), Window(50, 400, "soft tissue"), Window(400, 1800, "bone"))


@dataclass(frozen=True)
class Nodule:
    """A solid nodule: its centre in LPS mm and its diameter in mm."""

    name: str
    centre: tuple[float, float, float]
    diameter_mm: float


@dataclass(frozen=True)
class CtPhantom:
    """volume: int16 HU on an axial LPS grid, k from feet to head. truth: (name, (k, j, i) bool mask) pairs.

    Names: body, right_lung, left_lung, airways, bone, heart, nodule_1, nodule_2. Lungs include their vessels and
    nodules and exclude the airways' lumen.
    """

    volume: Volume
    truth: tuple[tuple[str, Mask], ...]
    nodules: tuple[Nodule, ...]

    def mask(self, name: str) -> Mask:
        """The mask of this name; KeyError when there is none."""
        return dict(self.truth)[name]


def chest_ct(seed: int = 0, shape: Shape = (96, 256, 256)) -> CtPhantom:
    """A chest from below the diaphragm to the apices; the same seed and shape give the same voxels.

    The field of view is fixed (288 x 372 x 372 mm), so spacing follows from shape: 3 x 1.45 x 1.45 mm by default.
    """
    random = np.random.default_rng(seed)
    grid = Grid.of(_geometry(shape))
    scan, cage = Scan(grid), Cage(float(random.uniform(0.96, 1.03)))
    body = _trunk(scan, cage, random)
    cavity = cage.inside(grid)
    _abdomen(scan, cavity, random)
    lungs = _lungs(scan, cage, cavity)
    heart = _mediastinum(scan, cage, lungs)
    bone = skeleton(scan, cage)
    airways = airways_lumen(scan, cage)
    lung_vessels(scan, lungs, random)
    nodules, nodule_masks = _nodules(scan, lungs, random)
    _finish(scan, body, random)
    named = [("body", body > 0.5)]
    for name, fraction in zip(("right_lung", "left_lung"), lungs, strict=True):
        named.append((name, (fraction > 0.5) & ~((airways > 0.5) | (heart > 0.5))))
    named += [("airways", airways > 0.5), ("bone", bone > 0.5), ("heart", heart > 0.5)]
    named += [(nodule.name, mask) for nodule, mask in zip(nodules, nodule_masks, strict=True)]
    hu = np.clip(np.rint(scan.hu), -1024, 3071).astype(np.int16)
    return CtPhantom(Volume(hu, grid.geometry, Quantity.HU, windows=WINDOWS), tuple(named), nodules)


def _geometry(shape: Shape) -> Geometry:
    """Axial LPS: k to the head, j to the back, i to the patient's left."""
    step = HEIGHT / shape[0], WIDTH / shape[1], WIDTH / shape[2]
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2], affine[3, 3] = *step, 1
    affine[:3, 3] = (-WIDTH / 2 + step[2] / 2, -WIDTH / 2 + step[1] / 2, step[0] / 2)
    return Geometry.of(shape, affine)


def _trunk(scan: Scan, cage: Cage, random: np.random.Generator) -> Array:
    """Skin, fat under it, and the muscles outside the ribs; returns the fractions of the body."""
    grid = scan.grid
    z = grid.z / HEIGHT
    wide = cage.size * (157 + 12 * np.exp(-(((z - 0.85) / 0.2) ** 2)) - 10 * np.clip((z - 0.9) / 0.1, 0, 1))
    deep = cage.size * (118 - 28 * np.clip((z - 0.6) / 0.4, 0, 1) ** 1.5)
    y = grid.y - cage.centre(grid.z) * np.float32(0.5) - 2
    reach = ((np.abs(grid.x) / wide) ** 2.5 + (np.abs(y) / deep) ** 2.5) ** np.float32(1 / 2.5)
    distance = ((1 - reach) * (wide + deep) / 2).astype(np.float32)
    distance -= 2 * np.exp(-((grid.x / 16) ** 2)) * (grid.y > 0)  # the furrow over the spine
    body = grid.filled(distance)
    scan.lay(body, 20)
    scan.lay(grid.filled(distance - 2.2), FAT + 6 * noise_field(grid.geometry.shape, random, 8))
    outside = -cage.inside(grid)
    side = np.abs(grid.x)
    thick = 12 + 24 * np.exp(-(((side - 30) / 24) ** 2)) * (y > 20)  # erector spinae
    upper = np.clip((z - 0.42) / 0.4, 0, 1)
    thick = thick + 22 * upper * np.clip((side - 22) / 30, 0, 1)  # pectorals, latissimus
    thick = thick + 60 * np.clip((z - 0.72) / 0.2, 0, 1) * np.clip(
        (side + 70 * upper - 95) / 50, 0, 1
    )  # shoulders, neck
    muscle = np.minimum(thick - outside, distance - 9).astype(np.float32)
    streaks = noise_field(grid.geometry.shape, random, 14)
    scan.lay(grid.filled(muscle), MUSCLE - 95 * np.exp(-((streaks / 0.07) ** 2)).astype(np.float32))
    return body


def _abdomen(scan: Scan, cavity: Array, random: np.random.Generator) -> None:
    """What lies under the diaphragm: liver, spleen, stomach with its gas, fat."""
    grid = scan.grid
    scan.lay(grid.filled(cavity), FAT)
    inside = grid.filled(cavity - 3)
    scan.lay(
        inside * grid.ellipsoid((-52, -8, 12), (96, 92, 78)), 108 + 3 * noise_field(grid.geometry.shape, random, 6)
    )
    scan.lay(inside * grid.ellipsoid((92, 42, 18), (38, 52, 52)), 122)
    folds = 5 * noise_field(grid.geometry.shape, random, 12)
    reach = np.sqrt(((grid.x - 56) / 50) ** 2 + ((grid.y + 30) / 40) ** 2 + ((grid.z - 16) / 50) ** 2)
    stomach = ((1 - reach) * 46 + folds).astype(np.float32)
    scan.lay(inside * grid.filled(stomach), 62)
    scan.lay(inside * grid.filled(stomach - 4), np.where(grid.y < -44, AIR, 22).astype(np.float32))
    veins: list[list[tuple[float, float, float]]] = [
        [(-20, 30, 66), (-52, 8, 52), (-92, -10, 34)],
        [(-20, 26, 64), (-44, -20, 50), (-62, -52, 30)],
    ]
    for ends in veins:
        canvas = grid.empty()
        grid.draw(canvas, smooth_curve(ends, 10), np.linspace(5, 2, 10))
        scan.lay(canvas * inside, 138)


def _lungs(scan: Scan, cage: Cage, cavity: Array) -> tuple[Array, Array]:
    """Lay both lungs and return their fractions, right first. Left lung is at positive x."""
    grid = scan.grid
    z = grid.z / HEIGHT
    y = grid.y - cage.centre(grid.z)
    middle = (
        13
        + 15 * np.exp(-(((y - 78) / 34) ** 2))
        + 10 * np.exp(-(((z - 0.6) / 0.14) ** 2)) / (1 + np.exp(-(y + 55) / 7))
    )
    middle = middle + 16 * np.clip((z - 0.72) / 0.2, 0, 1)
    middle = middle - 7 * np.exp(-(((y + 75) / 22) ** 2))
    texture = noise_field(grid.geometry.shape, np.random.default_rng(7), 5)
    air = LUNG + 22 * texture + 0.45 * (grid.y + 20) - 25 * (z - 0.5)
    lungs = []
    for side, dome, x0 in ((-1, 82, -64), (1, 68, 66)):
        reach = ((grid.x - x0) / 78) ** 2 + ((grid.y + 6) / 92) ** 2
        floor = 2 + dome * np.clip(1 - reach, 0, None) ** np.float32(0.62) - 0.1 * np.clip(grid.y, 0, None)
        above = (grid.z - floor) * 0.75
        distance = np.minimum(np.minimum(cavity - 3, grid.x * side - middle), above)
        fraction = grid.filled(distance.astype(np.float32))
        scan.lay(fraction, air.astype(np.float32))
        lungs.append(fraction)
    return lungs[0], lungs[1]


def _mediastinum(scan: Scan, cage: Cage, lungs: tuple[Array, Array]) -> Array:
    """Heart, great vessels and gullet; returns the fractions of the heart with its muscle."""
    grid, s = scan.grid, cage.size
    sac = np.maximum(
        grid.ellipsoid((32 * s, -26, 90), (58 * s, 47, 50), turn=0.5), grid.ellipsoid((-14, -22, 100), (40, 42, 46))
    )
    scan.lay(np.maximum(sac, grid.ellipsoid((10, -30, 146), (36, 36, 54))), FAT)
    heart = grid.ellipsoid((34 * s, -24, 88), (53 * s, 40, 43), turn=0.6)
    heart = np.maximum(heart, grid.ellipsoid((-16, -20, 98), (34, 36, 40)))
    heart = np.maximum(heart, grid.ellipsoid((4, 8, 110), (36, 22, 26)))
    scan.lay(heart, 92)
    for centre, radii, turn in (
        ((54 * s, -15, 84), (29, 19, 29), 0.75),  # left ventricle
        ((20 * s, -42, 90), (36, 17, 32), 0.5),  # right ventricle
        ((-24, -22, 96), (21, 27, 31), 0.0),  # right atrium
        ((4, 10, 112), (31, 17, 20), 0.0),  # left atrium
    ):
        scan.lay(grid.ellipsoid(centre, radii, turn), BLOOD)
    great_vessels(scan, cage)
    spine = float(cage.spine(150.0))
    gullet = smooth_curve([(4, spine - 24, 288), (6, spine - 25, 200), (6, spine - 27, 120), (14, spine - 34, 30)])
    scan.tube(gullet, 7.5, 45)
    scan.tube(gullet, 2.2, -350)
    return heart


def _nodules(
    scan: Scan, lungs: tuple[Array, Array], random: np.random.Generator
) -> tuple[tuple[Nodule, ...], tuple[Mask, ...]]:
    """A lobulated 15 mm nodule in the right upper zone and a smooth 8 mm one in the left lower zone."""
    from scipy.ndimage import distance_transform_edt

    grid = scan.grid
    found, masks = [], []
    for n, (lung, diameter, low, high) in enumerate(((lungs[0], 15.0, 185, 232), (lungs[1], 8.0, 70, 120))):
        coarse = (slice(None, None, 2), slice(None, None, 3), slice(None, None, 3))  # exact distances are not needed
        step = tuple(2 * mm if n == 0 else 3 * mm for n, mm in enumerate(grid.geometry.spacing))
        clear = distance_transform_edt((lung[coarse] > 0.5) & (scan.hu[coarse] < -600), sampling=step)
        wall = distance_transform_edt(lung[coarse] > 0.5, sampling=step)
        z = grid.z[::2]
        near = (wall > diameter / 2 + 3) & (wall < diameter / 2 + 22) & (clear > 4) & (z > low) & (z < high)
        usable = np.argwhere(near) * (2, 3, 3)
        centre = grid.geometry.world(tuple(usable[random.integers(len(usable))]))
        x, y, dz = grid.x - centre[0], grid.y - centre[1], grid.z - centre[2]
        radius = diameter / 2
        away = np.sqrt(x * x + y * y + dz * dz)
        lobes = 0.05 * radius * (np.sin(0.9 * x + 1) * np.sin(0.8 * y) + np.cos(0.8 * dz + n)) * (n == 0)
        fraction = grid.filled((radius - away + lobes).astype(np.float32))
        scan.lay(fraction, 38)
        found.append(Nodule(f"nodule_{n + 1}", centre, diameter))
        masks.append(fraction > 0.5)
    return tuple(found), tuple(masks)


def _finish(scan: Scan, body: Array, random: np.random.Generator) -> None:
    """The table, the scanner's blur, and its noise: stronger through the shoulders, grainy as after reconstruction."""
    from scipy.ndimage import gaussian_filter

    grid = scan.grid
    plate = 128 - 0.0011 * grid.x**2 - grid.y
    under = (np.clip((plate + 12) / 12, 0, 1) * (np.abs(grid.x) < 168) * (1 - body)).astype(np.float32)
    scan.lay(under * (plate < 0) * (plate > -12), -880)
    scan.lay(under * ((np.abs(plate) < 1.2) | (np.abs(plate + 11) < 1.2)), -420)
    scan.hu = gaussian_filter(scan.hu, (0.25, 0.45, 0.45))
    grain = random.standard_normal(scan.hu.shape, dtype=np.float32)
    grain = gaussian_filter(grain, (0.35, 0.7, 0.7)) - 0.6 * gaussian_filter(grain, (0.35, 1.6, 1.6))
    level = (13 + 9 * np.clip((grid.z - 200) / 70, 0, 1)) * (0.45 + 0.55 * body)
    scan.hu += grain / grain.std() * level

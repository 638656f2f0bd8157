"""Tubes of the computed chest CT: great vessels, airways and the vessels of the lungs. See chest_ct."""

import numpy as np

from backend.phantoms.chest_ct_bones import Cage
from backend.phantoms.solid import AIR, Array, Scan, grow_tree, smooth_curve

BLOOD = 165  # HU, with contrast medium


def great_vessels(scan: Scan, cage: Cage) -> None:
    spine = float(cage.spine(150.0))
    back = (26.0, spine - 10)
    aorta = [(2.0, -22.0, 118.0), (-12, -28, 150), (-6, -22, 180), (10, 0, 194), (23, 24, 188), (*back, 165)]
    curves: list[tuple[list[tuple[float, float, float]], float]] = [
        ([*aorta, (*back, 120), (22, spine - 10, 60), (14, spine - 14, 0)], 12.5),
        (
            [(14, -46, 118), (20, -36, 142), (22, -14, 158), (34, 8, 162), (52, 16, 158)],
            12.0,
        ),  # trunk to the left hilum
        ([(20, -18, 156), (2, -6, 155), (-22, 0, 152), (-48, 8, 148)], 10.0),  # right pulmonary artery
        ([(-24, -22, 110), (-25, -20, 150), (-25, -16, 190), (-22, -10, 220)], 9.0),  # superior vena cava
        ([(-22, -12, 216), (-34, -4, 250), (-40, 4, 288)], 7.0),
        ([(-22, -16, 214), (4, -22, 222), (28, -6, 246), (38, 4, 288)], 6.5),  # left brachiocephalic vein
        ([(2, -8, 194), (-12, -2, 222), (-22, 8, 288)], 6.0),  # brachiocephalic artery
        ([(11, 2, 196), (13, 4, 230), (20, 10, 288)], 4.2),  # left carotid artery
        ([(20, 14, 192), (24, 18, 230), (34, 20, 288)], 4.8),  # left subclavian artery
        ([(26, 12, 108), (46, 20, 112)], 6.5),  # left and right pulmonary veins
        ([(-20, 14, 108), (-44, 18, 112)], 6.5),
        ([(-22, -2, 0), (-22, -8, 40), (-22, -18, 76)], 12.0),  # inferior vena cava
        ([(-12, spine - 12, 0), (-10, spine - 13, 150), (-18, spine - 22, 172), (-24, -8, 178)], 3.6),  # azygos vein
    ]
    for points, radius in curves:
        scan.tube(smooth_curve(points, 24), radius, BLOOD if radius > 4 else 120)


def airways_lumen(scan: Scan, cage: Cage) -> Array:
    """Windpipe, main bronchi and two generations of lobar bronchi with their walls; returns the lumen."""
    y = float(cage.spine(190.0)) - 34
    carina = (0.0, y, 172.0)
    right, left = (-34.0, y + 2, 146.0), (40.0, y + 6, 142.0)
    tubes: list[tuple[list[tuple[float, float, float]], float]] = [
        ([(0, y - 10, 290), (1, y - 4, 230), carina], 8.6),
        ([carina, (-16, y, 158), right], 6.6),
        ([carina, (20, y + 2, 158), left], 5.8),
        ([right, (-52, y - 2, 168), (-66, y - 6, 190)], 3.8),
        ([right, (-46, y, 126), (-58, y + 12, 98)], 4.6),
        ([(-46, y, 126), (-58, y - 22, 112), (-70, y - 40, 100)], 3.0),
        ([(-58, y + 12, 98), (-70, y + 26, 70)], 2.6),
        ([left, (56, y - 8, 158), (68, y - 22, 180)], 3.6),
        ([left, (50, y + 10, 122), (62, y + 20, 92)], 4.2),
        ([(56, y - 8, 158), (70, y - 34, 138)], 2.6),
        ([(62, y + 20, 92), (74, y + 28, 66)], 2.5),
    ]
    curves = [(smooth_curve(points, 12), radius) for points, radius in tubes]
    for curve, radius in curves:
        scan.tube(curve, radius + 1.5, 30)
    lumen = scan.grid.empty()
    for curve, radius in curves:
        scan.grid.draw(lumen, curve, radius)
    scan.lay(lumen, AIR)
    return lumen


def lung_vessels(scan: Scan, lungs: tuple[Array, Array], random: np.random.Generator) -> None:
    """Arteries from each hilum and veins to the left atrium, branching until they are thinner than a voxel."""
    canvas = scan.grid.empty()
    for lung, side in zip(lungs, (-1, 1), strict=True):
        inner = np.argwhere(lung > 0.99)
        for start in ((side * 46.0, 14.0, 152.0), (side * 42.0, 18.0, 112.0)):
            chosen = inner[random.integers(len(inner), size=300)]
            targets = np.array([scan.grid.geometry.world(tuple(index)) for index in chosen])
            tree = grow_tree(start, targets, leaf=0.85)
            for n in range(1, len(tree.points)):
                parent = tree.parents[n]
                ends = np.stack([tree.points[parent], tree.points[n]])
                scan.grid.draw(canvas, ends, np.array([tree.radii[n], tree.radii[n]]))
    canvas *= np.maximum(lungs[0], lungs[1])
    scan.lay(np.minimum(canvas, scan.hu < 0), 95)

"""What lies in the beam of a computed chest radiograph, in millimetres along it. See chest_xray.

Each function puts one kind of tissue on a canvas; lengths are in mm from the detector's centre, y down.
"""

import numpy as np

from backend.phantoms.projection import Array, Build, Canvas, Mask, through


def torso(canvas: Canvas) -> Array:
    """Soft tissue of trunk, neck and shoulders."""
    b = canvas.build
    x, y = np.abs(canvas.x), canvas.y
    wall = b.half_width + 22 + 12 * np.clip((y - 40) / 150, 0, 1)
    trunk = b.depth * np.sqrt(np.clip(1 - (x / wall) ** 4, 0, 1)) / (1 + np.exp(-(y - b.apex - 8) / 13))
    neck = 122 * np.sqrt(np.clip(1 - (x / 64) ** 2, 0, 1)) / (1 + np.exp((y - b.apex - 14) / 18))
    slope = b.apex - 34 + 0.30 * np.clip(x - 50, 0, None) + 0.0016 * np.clip(x - 120, 0, None) ** 2  # trapezius
    girdle = (118 - 0.12 * x) / (1 + np.exp(-(y - slope) / 8)) / (1 + np.exp((y - b.apex - 118 - 0.1 * x) / 26))
    girdle *= np.sqrt(np.clip(1 - (x / (b.half_width + 92)) ** 6, 0, 1))
    arm = 92 * np.sqrt(np.clip(1 - ((x - b.half_width - 56 - 0.08 * (y - b.apex)) / 36) ** 2, 0, 1))
    arm *= 1 / (1 + np.exp(-(y - b.apex - 40) / 14))
    belly = 34 / (1 + np.exp(-(y - b.base + 20) / 22)) * np.sqrt(np.clip(1 - (x / wall) ** 2, 0, 1))
    return canvas.smooth((trunk**4 + (0.9 * girdle) ** 4 + arm**4 + neck**4) ** 0.25 + belly, 3.0)


def heart_chord(canvas: Canvas) -> Array:
    """Heart, great vessels and the rest of the mediastinum, as tissue that displaces lung."""
    b = canvas.build
    low = b.base - 0.8 * b.left_dome
    ventricle = canvas.ellipsoid(29 * b.heart, low - 26, 60 * b.heart, 44, 150, turn=0.6)
    atrium = canvas.ellipsoid(-9, low - 42, 33 * b.heart, 48, 125, turn=0.12)
    arch = canvas.ellipsoid(19, b.apex + 66, 19, 19, 75)
    descending = canvas.ellipsoid(20, b.apex + 160, 15, 120, 34)
    cava = canvas.ellipsoid(-18, b.apex + 72, 13, 66, 60)
    trunk = canvas.ellipsoid(28, b.apex + 98, 20, 22, 70, turn=0.5)
    spine = 150 / (1 + np.exp((np.abs(canvas.x) - 17) / 3.2))
    combined = (ventricle**3 + atrium**3 + arch**3 + descending**3 + cava**3 + trunk**3 + spine**3) ** (1 / 3)
    return canvas.smooth(combined, 1.6)


def bones(canvas: Canvas) -> Array:
    """Ribs, clavicles, shoulder blades, humeri and spine: hard shells round softer marrow."""
    b = canvas.build
    bone = np.zeros_like(canvas.x)
    for radius, curves in ((4.9, _ribs(b)), (6.2, _clavicles(b)), (12.5, _humeri(b)), (4.2, _scapulae(b))):
        bone += canvas.tubes(curves, radius) - 0.78 * canvas.tubes(curves, 0.76 * radius)
    spine = np.zeros_like(bone)
    pitch = (b.base - b.apex) / 9.6
    for n in range(-3, 17):
        y = b.apex - 8 + n * pitch
        wide = 14.5 + 0.35 * n
        body = canvas.ellipsoid(0, y, wide, 0.47 * pitch, 1) > 0.0
        box = (np.abs(canvas.x) < wide) & (np.abs(canvas.y - y) < 0.42 * pitch)
        spine += 6.0 * (body | box) + 4.0 * box * (np.abs(np.abs(canvas.y - y) - 0.40 * pitch) < 0.9)
        spine += canvas.ellipsoid(0, y + 0.3 * pitch, 3.2, 0.34 * pitch, 6)
        for side in (-1, 1):
            ring = canvas.ellipsoid(side * 0.62 * wide, y - 0.1 * pitch, 4.2, 5.6, 6)
            spine += ring - canvas.ellipsoid(side * 0.62 * wide, y - 0.1 * pitch, 2.6, 3.8, 4.5)
            spine += canvas.ellipsoid(side * (wide + 7), y - 0.12 * pitch, 10, 4.2, 5, turn=-0.25 * side)
    return bone + canvas.smooth(spine, 1.1)


def _ribs(b: Build) -> list[Array]:
    """Ten pairs: out of the spine, round the side, down to the front, where cartilage (unseen) takes over."""
    ribs = []
    for n in range(11):
        reach = b.half_width * float(
            through([(0, 0.5), (1, 0.71), (2, 0.84), (4, 0.95), (7, 1.01), (10, 1.02)], np.array(n))
        )
        top = b.apex - 9 + n * (b.base - b.apex - 8) / 9.2
        fall = b.slope * (0.75 + 0.05 * n)
        last = np.radians(min(152, 150 - 5.5 * max(0, n - 5)))
        angle = np.linspace(np.radians(9), last, 120)
        turn = angle / np.pi
        y = top - 9 * np.sin(np.clip(turn * 5, 0, 1) * np.pi / 2) + fall * np.clip(turn - 0.07, 0, None) ** 1.15 * 1.2
        depth = 0.42 * b.depth * np.cos(angle)
        for side in (-1, 1):
            x = side * (10 + (reach - 10) * np.sin(angle) ** 0.9)
            ribs.append(np.stack([x, y, depth], axis=1))
    return ribs


def _clavicles(b: Build) -> list[Array]:
    t = np.linspace(0, 1, 60)
    x = 17 + (b.half_width - 2) * t
    y = b.apex + 42 - 46 * t - 7 * np.sin(2 * np.pi * t)
    return [np.stack([side * x, y, 30 - 40 * t], axis=1) for side in (-1, 1)]


def _humeri(b: Build) -> list[Array]:
    t = np.linspace(0, 1, 30)
    x, y = b.half_width + 46 + 9 * t, b.apex + 6 + 130 * t
    return [np.stack([side * x, y, 0 * t], axis=1) for side in (-1, 1)]


def _scapulae(b: Build) -> list[Array]:
    """Inner border, outer border and spine of each shoulder blade, drawn clear of most of the lung."""
    w, a = b.half_width, b.apex
    inner = [(w - 22, a + 16), (w - 12, a + 60), (w - 4, a + 104), (w + 3, a + 128)]
    outer = [(w + 3, a + 128), (w + 12, a + 92), (w + 24, a + 44), (w + 34, a + 16)]
    crest = [(w - 20, a + 26), (w + 4, a + 10), (w + 36, a - 6)]
    curves = []
    for side in (-1, 1):
        for points in (inner, outer, crest):
            known = np.array(points)
            t = np.linspace(0, len(points) - 1, 50)
            x, y = (through(list(enumerate(known[:, axis])), t) for axis in (0, 1))
            curves.append(np.stack([side * x, y, -60 + 0 * t], axis=1))
    return curves


def vessels_chord(canvas: Canvas, lungs: Mask, random: np.random.Generator) -> Array:
    """Pulmonary vessels: trees that leave each hilum, fork and taper to nothing near the pleura."""
    b = canvas.build
    classes: dict[float, list[Array]] = {}
    for side in (-1, 1):
        for angle in np.linspace(-1.25, 1.35, 13):
            hilum = np.array([side * (b.medial + 10), b.apex + 106 - 6 * side + 20 * angle, 0.0]) + random.normal(
                0, 4, 3
            )
            heading = np.array([side * np.cos(angle), np.sin(angle), random.normal(0, 0.35)])
            _branch(hilum, heading, float(random.uniform(1.8, 4.4)), classes, random)
    tissue = np.zeros_like(canvas.x)
    for radius, curves in classes.items():
        tissue += canvas.tubes(curves, radius)
    return tissue * canvas.smooth(lungs.astype(float), 2.5)


def _branch(
    start: Array, heading: Array, radius: float, classes: dict[float, list[Array]], random: np.random.Generator
) -> None:
    """Add one vessel and what forks from it. Cross-section is shared by the daughters (r^2.7 kept)."""
    if radius < 0.52:
        return
    steps = 7
    length = 9.0 * radius**0.55 * random.uniform(0.8, 1.3) + 4
    points = [start]
    for _ in range(steps):
        heading = heading + random.normal(0, 0.09, 3)
        heading = heading / np.linalg.norm(heading)
        points.append(points[-1] + heading * length / steps)
    classes.setdefault(round(radius * 2.5) / 2.5 or 0.4, []).append(np.array(points))
    part = float(random.uniform(0.35, 0.65))
    for share, sign in ((part, 1), (1 - part, -1)):
        turn = np.array([-heading[1], heading[0], random.normal(0, 0.7)]) * sign * (0.25 + 0.5 * (1 - share))
        _branch(points[-1], heading + turn, radius * share ** (1 / 2.7), classes, random)


def airway(canvas: Canvas) -> Array:
    """Millimetres of air in the trachea and main bronchi."""
    b = canvas.build
    carina = b.apex + 92
    trachea = np.array([[0.0, b.apex - 60, 0], [1, b.apex, 0], [-2, carina, 0]])
    right = np.array([[-2.0, carina, 0], [-18, carina + 20, 0], [-30, carina + 38, 0]])
    left = np.array([[-2.0, carina, 0], [22, carina + 22, 0], [36, carina + 34, 0]])
    air: Array = canvas.tubes([trachea], 8.5) + canvas.tubes([right, left], 6.0)
    return canvas.smooth(air, 1.2)


def bowel_gas(canvas: Canvas, random: np.random.Generator) -> Array:
    """Gas in the stomach's fundus and colon, below the left dome."""
    b = canvas.build
    gas = np.zeros_like(canvas.x)
    for _ in range(int(random.integers(1, 4))):
        x, y = random.uniform(28, 95), b.base + b.left_base - 8 + random.uniform(0, 40)
        bubble = canvas.ellipsoid(x, y, random.uniform(9, 26), random.uniform(7, 16), random.uniform(20, 60))
        gas += bubble * (0.3 + 0.7 * (canvas.y < y + random.uniform(2, 12)))
    return canvas.smooth(gas, 1.5)


def breasts(canvas: Canvas, random: np.random.Generator) -> Array:
    """Rounded tissue over the lower lungs in about half of the patients."""
    if random.random() < 0.5:
        return np.zeros_like(canvas.x)
    b = canvas.build
    size, y = random.uniform(48, 74), b.base - random.uniform(10, 45)
    pair = [canvas.ellipsoid(side * random.uniform(68, 84), y, size, size * 0.9, size * 0.75) for side in (-1, 1)]
    return canvas.smooth(pair[0] + pair[1], 2.0)


def disease(canvas: Canvas, right: Mask, left: Mask, random: np.random.Generator) -> Array:
    """Weight of what fills the lungs: nothing, patches of consolidation, haze, an effusion. The masks do not change."""
    fluid = np.zeros_like(canvas.x)
    if random.random() < 0.4:
        return fluid
    for _ in range(int(random.integers(0, 6))):
        lung = right if random.random() < 0.5 else left
        j, i = np.argwhere(lung)[random.integers(np.count_nonzero(lung))]
        wide, tall, turn = random.uniform((14, 14, 0), (48, 48, 3))
        patch = canvas.ellipsoid(canvas.x[j, i], canvas.y[j, i], wide, tall, 1, turn)
        texture = canvas.smooth(random.normal(size=fluid.shape), 3.5)
        fluid += random.uniform(20, 90) * canvas.smooth(patch, 6) * np.clip(1 + 0.4 * texture / texture.std(), 0.2, 2)
    if random.random() < 0.25:
        fluid += random.uniform(10, 45)
    for side in (-1, 1):
        if random.random() < 0.2:
            b = canvas.build
            level = b.base - random.uniform(15, 75) - 0.0035 * (canvas.x - side * 50) ** 2
            fluid += np.where(canvas.x * side > 0, 150 / (1 + np.exp(-(canvas.y - level) / 7)), 0)
    return fluid


def devices(canvas: Canvas, random: np.random.Generator) -> Array:
    """Wires, a central line or tracheal tube and electrodes, in about four of ten patients."""
    metal = np.zeros_like(canvas.x)
    if random.random() < 0.6:
        return metal
    b = canvas.build
    if random.random() < 0.5:
        t = np.linspace(0, 1, 80)
        line = np.stack([-40 * (1 - t) ** 2 - 12 * t, b.apex - 40 + 175 * t, 0 * t], axis=1)
        metal += 0.25 * canvas.tubes([line], 1.3)
    for _ in range(int(random.integers(1, 5))):
        ends = random.uniform(-190, 190, (5, 2))
        t = np.linspace(0, 4, 120)
        wire = np.stack([through(list(enumerate(ends[:, axis])), t) for axis in (0, 1)] + [0 * t], axis=1)
        metal += 0.35 * canvas.tubes([wire], 0.8)
        x, y = ends[0] * 0.7
        metal += 2.5 * (canvas.ellipsoid(x, y, 5.5, 5.5, 1) > 0.5)
    return metal

"""A frontal chest radiograph that is computed, not taken, with the lung fields known to the pixel.

Everything is drawn as millimetres of tissue along the beam and turned into grey by attenuation, so edges are as soft as
a real projection's. Lung fields follow the V7 Labs convention: down to the dome, and including the part behind the
heart. Image left is the patient's right.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.phantoms.chest_xray_tissue import (
    airway,
    bones,
    bowel_gas,
    breasts,
    devices,
    disease,
    heart_chord,
    torso,
    vessels_chord,
)
from backend.phantoms.projection import Array, Build, Canvas, Mask, through

MU_WATER = 0.019  # per mm, near 60 keV
MU_BONE = 0.034  # per mm on top of the soft tissue that the bone displaces


@dataclass(frozen=True)
class XrayPhantom:
    """pixels: (j, i) uint8, bone bright. right_lung, left_lung: (j, i) bool, the patient's sides."""

    pixels: NDArray[np.uint8]
    right_lung: Mask
    left_lung: Mask


def radiograph(seed: int, size: int = 512) -> XrayPhantom:
    """A frontal radiograph of `size` x `size` pixels; the same seed gives the same picture.

    Patients differ in build, heart size and disease; exposures in angle, contrast, noise, markers and collimation.
    """
    random = np.random.default_rng(seed)
    build = _patient(random)
    canvas = Canvas(size, build)
    right, left = (_lung_field(canvas, side) for side in (-1, 1))
    water, bone, metal = _anatomy(canvas, right, left, random)
    log_exposure = MU_WATER * water + MU_BONE * bone + 0.25 * metal
    return XrayPhantom(_develop(canvas, log_exposure, random), right, left)


def _patient(random: np.random.Generator) -> Build:
    def between(low: float, high: float) -> float:
        return float(random.uniform(low, high))

    return Build(
        apex=between(-138, -118),
        base=between(85, 130),
        left_base=between(-6, 14),
        half_width=between(118, 142),
        medial=between(14, 22),
        dome=between(28, 48),
        left_dome=between(22, 44),
        heart=between(0.85, 1.3),
        depth=between(190, 250),
        slope=between(80, 120),
        tilt=float(random.normal(0, 0.025)),
        shift=(float(random.normal(0, 7)), float(random.normal(4, 7))),
        zoom=between(1.0, 1.22),
    )


def _lung_field(canvas: Canvas, side: int) -> Mask:
    """The region between the inner and outer border, from apex to dome. side: -1 patient's right, 1 left."""
    b = canvas.build
    base = b.base + (b.left_base if side > 0 else 0.0)
    down = (canvas.y - b.apex) / (base - b.apex)
    out = (canvas.x * side - b.medial) / (b.half_width - b.medial)
    outer = through([(0, 0.42), (0.02, 0.59), (0.08, 0.71), (0.25, 0.85), (0.5, 0.95), (0.75, 1), (1, 0.985)], down)
    notch = [(0, 0.42), (0.02, 0.26), (0.08, 0.15), (0.2, 0.09), (0.45, 0.06), (0.7, 0.03), (1, 0)]
    if side > 0:  # the arch of the aorta pushes the border outwards
        notch[3:5] = [(0.2, 0.16), (0.27, 0.19), (0.36, 0.11), (0.5, 0.06)]
    inner = through(notch, down)
    height = (b.left_dome if side > 0 else b.dome) / (base - b.apex)
    crest = [(0, 0.84), (0.2, 0.97), (0.42, 1), (0.65, 0.86), (0.82, 0.6), (0.94, 0.25), (1, 0)]
    floor = 1 - height * through(crest, out)
    field = (down > 0) & (out > inner) & (out < outer) & (down < floor)
    rounded: Mask = canvas.smooth(field.astype(float), 2.2) > 0.5
    return rounded


def _anatomy(canvas: Canvas, right: Mask, left: Mask, random: np.random.Generator) -> tuple[Array, Array, Array]:
    """Millimetres of water, bone and metal along the beam."""
    air = _air(canvas, right) + _air(canvas, left)
    heart = heart_chord(canvas)
    lung = np.maximum(air - heart, 0.12 * air)
    fluid = disease(canvas, right, left, random)
    lung = lung * np.exp(-fluid / 60)
    vessels = vessels_chord(canvas, right | left, random)
    bowel = bowel_gas(canvas, random)
    water = torso(canvas) - 0.78 * lung - bowel - airway(canvas) + vessels * (lung > 0) + breasts(canvas, random)
    uneven = canvas.smooth(random.normal(size=air.shape), 9)
    water = np.clip(water + 0.16 * heart, 0, None) + 1.2 * uneven / uneven.std()
    return water, bones(canvas), devices(canvas, random)


def _air(canvas: Canvas, lung: Mask) -> Array:
    """Depth of lung along the beam: grows steeply from the rib side, gently from mediastinum and diaphragm."""
    from scipy.ndimage import distance_transform_edt

    b = canvas.build
    edge = distance_transform_edt(lung) * canvas.pixel / b.zoom
    depth = 0.72 * b.depth * np.sqrt(1 - (1 - np.clip(edge / 52, 0, 1)) ** 2)
    upper = np.clip((canvas.y - b.apex) / 90, 0, 1)
    soft: Array = canvas.smooth(depth * (0.55 + 0.45 * upper) * lung, 1.0)
    return soft


def _develop(canvas: Canvas, log_exposure: Array, random: np.random.Generator) -> NDArray[np.uint8]:
    """From attenuation to the grey a reader sees: scatter, noise, unsharp masking, tone curve, marker, shutters."""
    scatter = canvas.smooth(log_exposure, 28)
    signal = 0.86 * log_exposure + 0.14 * scatter
    dose = random.uniform(0.6, 2.2)
    grain = canvas.smooth(random.normal(size=signal.shape), 0.45)
    signal = signal + 0.016 / dose * grain / grain.std() * np.exp(0.28 * (signal - np.median(signal)))
    local = canvas.smooth(signal, float(random.uniform(30, 55)))
    signal = signal - float(random.uniform(0.15, 0.5)) * local + 0.5 * (signal - canvas.smooth(signal, 1.6))
    low, high = np.percentile(signal, [1.5, 99.3])
    tone = np.clip((signal - low) / (high - low), -0.05, 1.08)
    grey = 1 / (1 + np.exp(-float(random.uniform(3.2, 4.6)) * (tone - float(random.uniform(0.46, 0.58)))))
    grey = (grey - grey.min()) / (grey.max() - grey.min())
    picture = 8 + 240 * grey ** float(random.uniform(0.85, 1.2))
    _mark_side(canvas, picture)
    if random.random() < 0.3:
        edge = int(canvas.size * random.uniform(0.01, 0.07))
        picture[:edge] = picture[:, :edge] = picture[-edge:] = 4
    pixels: NDArray[np.uint8] = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    return pixels


def _mark_side(canvas: Canvas, picture: Array) -> None:
    """A lead letter L beside the patient's left shoulder, upper right in the picture."""
    tall = max(6, canvas.size // 34)
    thick = max(1, tall // 6)
    j, i = int(0.075 * canvas.size), int(0.905 * canvas.size)
    picture[j : j + tall, i : i + thick] = 246
    picture[j + tall - thick : j + tall, i : i + int(0.6 * tall)] = 246

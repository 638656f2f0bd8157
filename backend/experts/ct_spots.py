"""Places in the lungs worth a look: round, dense, surrounded by air. Navigation, never a finding. No weights.

Blobs are maxima of the scale-normalised Laplacian of Gaussian (Lindeberg, "Feature detection with automatic scale
selection", IJCV 30, 1998); vessels are told apart by the eigenvalues of the Hessian (Frangi et al., MICCAI 1998; Sato
et al., Medical Image Analysis 2, 1998) and by what surrounds the blob.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.domain.errors import UserError
from backend.domain.region import Point3D
from backend.domain.volume import Volume
from backend.experts.card import Accuracy, Card, Progress, Prompt, SpotDraft
from backend.experts.ct_airways import find_airways
from backend.experts.ct_anatomy import find_body, find_lungs
from backend.experts.ct_grid import Bools, CtGrid, close, ct_grid

STEP = 1.5  # mm
DIAMETERS = (3.0, 4.5, 6.5, 9.0, 12.5, 17.0, 23.0, 30.0)  # mm
DENSITY = -400.0  # HU a candidate reaches
AIR = -500.0  # HU below which a voxel around it counts as air
CLIP = (-1000.0, 100.0)  # HU; keeps bone and calcium from outshining soft tissue
PLEURA = 8.0  # mm, radius that closes the lungs over nodules at the pleura
CONSIDERED, MOST = 400, 30

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class _Blob:
    at: tuple[int, int, int]  # (s, p, l) on the grid
    diameter: float  # mm
    response: float


def find_spots(grid: CtGrid, lungs: Bools) -> list[tuple[tuple[int, int, int], float, float]]:
    """((s, p, l), diameter in mm, score 0-1) with the best first, at most MOST, none inside another."""
    inside = np.argwhere(lungs)
    low = np.maximum(inside.min(0) - 12, 0)
    high = np.minimum(inside.max(0) + 13, lungs.shape)
    crop = tuple(slice(a, b) for a, b in zip(low.tolist(), high.tolist(), strict=True))
    hu, mask = grid.hu[crop], lungs[crop]
    scored = []
    smooth: Floats = np.clip(hu, *CLIP)
    done = 0.0
    for diameter in DIAMETERS:
        sigma = diameter / 2 / np.sqrt(3)
        smooth = _smooth(smooth, sigma, done, grid.spacing)
        done = sigma
        for blob in _maxima(smooth, hu, mask, diameter, sigma, grid.spacing):
            score = _score(blob, smooth, hu, mask, sigma, grid.spacing)
            if score > 0:
                scored.append((score, blob))
    scored.sort(key=lambda pair: -pair[0])
    kept: list[tuple[tuple[int, int, int], float, float]] = []
    for score, blob in scored:
        if all(_apart(blob, at, diameter, grid.spacing, low) for at, diameter, _ in kept):
            k, j, i = (int(c + o) for c, o in zip(blob.at, low, strict=True))
            kept.append(((k, j, i), blob.diameter, score))
        if len(kept) == MOST:
            break
    return kept


def _apart(
    blob: _Blob, at: tuple[int, int, int], diameter: float, spacing: tuple[float, ...], low: NDArray[np.int64]
) -> bool:
    step = (np.array(blob.at) + low - np.array(at)) * np.array(spacing)
    return float(np.linalg.norm(step)) > max(diameter, blob.diameter) * 0.75


def _smooth(values: Floats, sigma: float, done: float, spacing: tuple[float, ...]) -> Floats:
    """From a Gaussian of `done` mm to one of `sigma` mm."""
    from scipy import ndimage

    more = np.sqrt(sigma**2 - done**2) / np.array(spacing)
    result: Floats = ndimage.gaussian_filter(values, more, mode="nearest", truncate=3.0)
    return result


def _maxima(
    smooth: Floats, hu: Floats, mask: Bools, diameter: float, sigma: float, spacing: tuple[float, ...]
) -> list[_Blob]:
    """Local maxima of -sigma^2 Laplacian in the lungs, strongest first, where the density is a nodule's."""
    from scipy import ndimage

    laplacian = np.zeros_like(smooth)
    for axis, step in enumerate(spacing):
        laplacian += ndimage.correlate1d(smooth, [1.0, -2.0, 1.0], axis=axis, mode="nearest") / np.float32(step**2)
    response = laplacian * np.float32(-(sigma**2))
    reach = [2 * max(1, round(diameter / 4 / s)) + 1 for s in spacing]
    peaks = mask & (response > 40) & (response == ndimage.maximum_filter(response, reach))
    found = np.argwhere(peaks)
    strength = response[peaks]
    order = np.argsort(-strength)[:CONSIDERED]
    blobs = []
    for n in order:
        k, j, i = (int(c) for c in found[n])
        if hu[max(k - 1, 0) : k + 2, max(j - 1, 0) : j + 2, max(i - 1, 0) : i + 2].max() >= DENSITY:
            blobs.append(_Blob((k, j, i), diameter, float(strength[n])))
    return blobs


def _score(blob: _Blob, smooth: Floats, hu: Floats, mask: Bools, sigma: float, spacing: tuple[float, ...]) -> float:
    """Product of contrast, roundness and air around; 0 for what is not a bright blob in all directions."""
    curvatures = _curvatures(smooth, blob.at, sigma, spacing)
    if curvatures[2] >= 0:
        return 0.0
    roundness = curvatures[2] / curvatures[0]  # 1 for a ball, 0 for a tube
    radius = blob.diameter / 2
    half = [int(np.ceil(1.7 * radius / s)) + 1 for s in spacing]
    window = tuple(slice(max(c - h, 0), min(c + h + 1, n)) for c, h, n in zip(blob.at, half, hu.shape, strict=True))
    offsets = np.ogrid[window]
    distance = np.sqrt(sum(((o - c) * s) ** 2 for o, c, s in zip(offsets, blob.at, spacing, strict=True)))
    lung = mask[window]
    shell = (distance > 1.15 * radius + 0.5) & (distance < 1.55 * radius + 1.5) & lung
    ball = distance <= max(0.75 * radius, 0.8)
    if not shell.any() or lung[ball].mean() < 0.5:
        return 0.0
    near = hu[window]
    airy = float((near[shell] < AIR).mean())
    dense = float((near[ball] > DENSITY).mean())
    contrast = min(blob.response / 300.0, 1.0)
    size = min(1.0, (blob.diameter / 10.0) ** 0.5)
    return float(contrast * roundness**0.5 * airy**3 * dense * size)


def _curvatures(
    smooth: Floats, at: tuple[int, int, int], sigma: float, spacing: tuple[float, ...]
) -> NDArray[np.float64]:
    """Eigenvalues of the Hessian, scale-normalised, most negative first."""
    padded = np.pad(
        smooth[tuple(slice(max(c - 1, 0), c + 2) for c in at)].astype(float), _missing(smooth.shape, at), "edge"
    )
    hessian = np.empty((3, 3))
    for a in range(3):
        for b in range(a, 3):
            if a == b:
                line = np.moveaxis(padded, a, 0)[:, 1, 1]
                value = (line[0] - 2 * line[1] + line[2]) / spacing[a] ** 2
            else:
                third = 3 - a - b
                plane = np.moveaxis(padded, third, 0)[1]
                value = (plane[2, 2] - plane[2, 0] - plane[0, 2] + plane[0, 0]) / (4 * spacing[a] * spacing[b])
            hessian[a, b] = hessian[b, a] = value * sigma**2
    return np.asarray(np.linalg.eigvalsh(hessian), dtype=np.float64)


def _missing(shape: tuple[int, ...], at: tuple[int, int, int]) -> list[tuple[int, int]]:
    """How much of a 3 x 3 x 3 neighbourhood lies beyond the array."""
    return [(int(c == 0), int(c == n - 1)) for c, n in zip(at, shape, strict=True)]


class _CtSpots:
    card = Card(
        name="CT_SPOTS",
        title="Next round spot in the lungs",
        version="1",
        task="Orders round dense places in the lungs for a look; most are vessels or scars",
        modalities=("CT",),
        body_parts=(),
        assumptions=("Hounsfield units", "voxels of at most 5 mm", "both lungs in view and aerated"),
        accuracy=(Accuracy("place of the nodule in the list", 1, "one case", 1, "LIDC-IDRI, 28 slices", True),),
        licence="Apache-2.0",
        memory_mb=2000,
        limits=(
            "Navigation only, never a finding: an empty list says nothing about the lungs",
            "Misses ground glass, masses over 3 cm, and nodules against the mediastinum",
        ),
    )

    def fingerprint(self) -> str:
        settings = (STEP, DIAMETERS, DENSITY, AIR, CLIP, PLEURA, CONSIDERED, MOST)
        return hashlib.sha256(f"{self.card.name} {self.card.version} {settings}".encode()).hexdigest()

    def propose(self, volume: Volume, prompt: Prompt, progress: Progress) -> Iterator[SpotDraft]:
        """SpotDrafts, best first. UserError when both lungs cannot be outlined."""
        grid = ct_grid(volume, STEP)
        progress(0.1, "lungs")
        body = find_body(grid)
        airways, _ = find_airways(grid, body)
        lungs = find_lungs(grid, body, airways)
        if lungs.right is None or lungs.left is None:
            raise UserError("Spots are looked for in lungs, and none were found", lungs.reason, "Choose a chest CT")
        progress(0.4, "spots")
        radius = grid.radius(PLEURA)
        inside = (close(lungs.right, radius) | close(lungs.left, radius)) & body & ~airways
        for at, diameter, score in find_spots(grid, inside):
            k, j, i = grid.point(at, volume.geometry.shape)
            yield SpotDraft(Point3D(k, j, i), diameter, score)
        progress(1.0, "done")


EXPERT = _CtSpots()

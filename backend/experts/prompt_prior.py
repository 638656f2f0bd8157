"""What grey values, a mask being refined and the faces of an ROI say of each voxel before the walk."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.experts.card import Prompt
from backend.experts.prompt_work import COLOURS, GREYS, Prepared, Seeds, faces, hard_faces, start_mask

GAMMA = 0.003  # weight of the intensity prior once several positive clicks pin the shape
GAMMA_FIRST = 0.008  # a single positive click says little about shape, so the prior speaks louder
GAMMA_START = 0.01  # weight of a mask that is being refined, away from the clicks that contradict it
GAMMA_FACE = 0.02  # weight of "background" on the faces of an ROI that no reader drew
KERNEL = 2.0  # standard deviation of the histogram kernel in grey bins
KERNEL_PICTURE = 6.0  # the same for one slice: a projection has shading, and no third axis of neighbours to follow
UNSEEN = 1e-3  # share of a bin given to values that no seed has
BLUR = 1.0  # standard deviation, in finest spacings, by which the prior's log-odds are smoothed on CT (white noise)
SETTINGS = (GAMMA, GAMMA_FIRST, GAMMA_START, GAMMA_FACE, KERNEL, KERNEL_PICTURE, UNSEEN, BLUR)

Bools = NDArray[np.bool_]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Unary:
    """Per voxel (k, j, i): how much `value`, a probability of foreground, weighs against the edges."""

    weight: Floats
    value: Floats

    def plus(self, weight: Floats, value: Any) -> "Unary":
        """Two terms as one: the weights add, the values are averaged by them."""
        total = self.weight + weight
        return Unary(total, (self.weight * self.value + weight * value) / total)


def unary(work: Prepared, prompt: Prompt, seeds: Seeds) -> Unary:
    """Grey values of the seeds; a mask being refined, where no click contradicts it; faces of a guessed ROI."""
    few = sum(p.positive for p in prompt.points) <= 1
    gamma = np.full(work.shape, GAMMA_FIRST if few else GAMMA, dtype=np.float32)
    start = start_mask(work, prompt)
    if start is None:
        term = Unary(gamma, _grey_prior(work, seeds.positive, seeds.negative, not hard_faces(work).any()))
        return term if prompt.box is not None else term.plus(GAMMA_FACE * faces(work).astype(np.float32), np.float32(0))
    trust = _trust(start, seeds)
    held = trust > 0.5
    prior = _grey_prior(work, seeds.positive | (start & held), seeds.negative | (~start & held), False, seeds.negative)
    return Unary(gamma, prior).plus(GAMMA_START * trust, start.astype(np.float32))


def _trust(start: Bools, seeds: Seeds) -> Floats:
    """1 where the mask being refined holds, falling to 0 around clicks that contradict it.

    The reach of a click is how deep it lies in what it contradicts: the middle of a wrong part takes all of that part.
    """
    from scipy import ndimage

    trust = np.ones(start.shape, dtype=np.float32)
    for side, wrong in ((seeds.positive, ~start), (seeds.negative & seeds.clicked, start)):
        against = side & wrong
        if against.any():
            depth = float(ndimage.distance_transform_edt(wrong)[against].max())
            reach = min(max(3.0, 1.3 * depth), 0.25 * max(start.shape))
            distance = np.asarray(ndimage.distance_transform_edt(~against))
            trust *= (1 - np.exp(-0.5 * (distance / reach) ** 4)).astype(np.float32)
    return trust


def _grey_prior(work: Prepared, inside: Bools, outside: Bools, guessed: bool, denied: Bools | None = None) -> Floats:
    """pf / (pf + pb) of every voxel from kernel histograms of known voxels; `denied` are half of the background.

    Without a positive click the middle of the ROI stands for the structure; in a guessed ROI, or without any known
    background, all but the seeds stands for the background.
    """
    from scipy import ndimage

    if not inside.any():
        k, j, i = np.meshgrid(*(np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in work.shape), indexing="ij")
        inside = k**2 + j**2 + i**2 <= 0.4**2
    if guessed or not outside.any():
        outside = ~inside
    pf, pb = _histogram(work, inside), _histogram(work, outside)
    if denied is not None and denied.any():
        pb = (pb + _histogram(work, denied)) / 2
    floor = UNSEEN / len(pf)
    table = np.log((pf + floor) / (pb + floor)).astype(np.float32)
    odds: Floats = table[work.bins].reshape(work.shape)
    if work.noisy:
        width = [BLUR * min(work.spacing) / s for s in work.spacing]
        odds = np.asarray(ndimage.gaussian_filter(odds, width), dtype=np.float32)
    return np.asarray(1 / (1 + np.exp(-odds)), dtype=np.float32)


def _histogram(work: Prepared, voxels: Bools) -> NDArray[np.float64]:
    from scipy import ndimage

    colour = len(work.raw) > 1
    width = KERNEL_PICTURE if 1 in work.shape else KERNEL
    counts = np.bincount(work.bins[voxels.ravel()], minlength=COLOURS**3 if colour else GREYS).astype(float)
    if colour:
        cube = ndimage.gaussian_filter(counts.reshape((COLOURS,) * 3), width * COLOURS / GREYS, mode="nearest")
        counts = cube.ravel()
    else:
        counts = ndimage.gaussian_filter1d(counts, width, mode="nearest")
    result: NDArray[np.float64] = counts / max(counts.sum(), 1e-9)
    return result

"""What grey values, a mask being refined and the faces of an ROI say of each voxel before the walk."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.experts.card import Prompt
from backend.experts.prompt_work import COLOURS, GREYS, Prepared, Seeds, faces, hard_faces, start_mask

GAMMA = 0.004  # weight of the intensity prior once several positive clicks pin the shape
GAMMA_FIRST = 0.008  # a single positive click says little about shape, so the prior speaks louder
GAMMA_START = 0.01  # weight of a mask that is being refined, away from the clicks that contradict it
GAMMA_FACE = 0.02  # weight of "background" on the faces of an ROI that no reader drew
KERNEL = 2.0  # standard deviation of the histogram kernel in grey bins
KERNEL_PICTURE = 6.0  # the same for one slice: a projection has shading, and no third axis of neighbours to follow
UNSEEN = 1e-3  # share of a bin given to values that no seed has
BLUR = 1.0  # standard deviation, in finest spacings, by which the prior's log-odds are smoothed in volumes
REACH, REACH_NEGATIVE = 0.5, 0.3  # standard deviation, in radii of the ROI, within which a click's grey values speak
EVERYWHERE = 0.05  # weight of a positive click's grey values far from it
CENTRED = 4.0  # log-odds that a place in a box gives where grey values mean nothing by themselves (not CT)
RADIUS = 0.7  # squared distance from the middle of the box, 1 at its faces, at which that is neutral
SETTINGS = (
    REACH,
    REACH_NEGATIVE,
    EVERYWHERE,
    CENTRED,
    RADIUS,
    GAMMA,
    GAMMA_FIRST,
    GAMMA_START,
    GAMMA_FACE,
    KERNEL,
    KERNEL_PICTURE,
    UNSEEN,
    BLUR,
)

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
        term = Unary(gamma, _local_prior(work, seeds))
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


def _local_prior(work: Prepared, seeds: Seeds) -> Floats:
    """As _grey_prior, but each click speaks for its neighbourhood, so that a correction stays where it was made.

    Foreground is the mean of the positive clicks' histograms, background that of the surroundings and of the negative
    clicks, both weighted by nearness.
    """
    guessed = not hard_faces(work).any()
    if not seeds.positive.any():
        return _placed(work, _grey_prior(work, seeds.positive, seeds.negative, guessed), guessed)
    around = ~seeds.positive if guessed else seeds.negative & ~seeds.clicked
    shares = [np.zeros(work.shape, dtype=np.float32), _share(work, _histogram(work, around))]  # foreground, background
    totals = [np.full(work.shape, 1e-9, dtype=np.float32), np.ones(work.shape, dtype=np.float32)]
    extent = [n * s / 2 for n, s in zip(work.shape, work.spacing, strict=True) if n > 1] or [1.0]
    radius = float(np.prod(extent) ** (1 / len(extent)))
    for positive, at in seeds.centres:
        cube = np.zeros(work.shape, dtype=np.bool_)
        near = tuple(slice(max(c - 1, 0), c + 2) for c in at)
        cube[near] = (seeds.positive if positive else seeds.negative & seeds.clicked)[near]
        weight = _nearness(work, at, radius * (REACH if positive else REACH_NEGATIVE))
        weight += np.float32(EVERYWHERE if positive else 0.0)
        side = int(not positive)
        shares[side] += weight * _share(work, _histogram(work, cube))
        totals[side] += weight
    return _placed(work, _chance(work, shares[0] / totals[0], shares[1] / totals[1]), guessed)


def _share(work: Prepared, histogram: NDArray[np.float64]) -> Floats:
    shares: Floats = histogram.astype(np.float32)[work.bins].reshape(work.shape)
    return shares


def _nearness(work: Prepared, at: tuple[int, ...], width: float) -> Floats:
    """Gaussian of the distance from a voxel; width in the spacing's unit."""
    k, j, i = (
        np.exp(-0.5 * ((np.arange(n, dtype=np.float32) - c) * np.float32(s / width)) ** 2)
        for n, c, s in zip(work.shape, at, work.spacing, strict=True)
    )
    bump: Floats = (k[:, None, None] * j[None, :, None] * i[None, None, :]).astype(np.float32)
    return bump


def _placed(work: Prepared, chance: Floats, guessed: bool) -> Floats:
    """The chance given also where in a drawn box the voxel lies; not on CT, nor where the box was guessed."""
    if guessed or work.hounsfield or not work.noisy:
        return chance
    k, j, i = (np.linspace(-1, 1, n, dtype=np.float32) ** 2 for n in work.shape)
    odds = CENTRED * (RADIUS - k[:, None, None] - j[None, :, None] - i[None, None, :])
    placed: Floats = (chance / (chance + (1 - chance) * np.exp(-odds))).astype(np.float32)
    return placed


def _grey_prior(work: Prepared, inside: Bools, outside: Bools, guessed: bool, denied: Bools | None = None) -> Floats:
    """pf / (pf + pb) of every voxel from kernel histograms of known voxels; `denied` are half of the background.

    Without a positive click the middle of the ROI stands for the structure; in a guessed ROI, or without any known
    background, all but the seeds stands for the background.
    """
    if not inside.any():
        k, j, i = np.meshgrid(*(np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in work.shape), indexing="ij")
        inside = k**2 + j**2 + i**2 <= 0.4**2
    if guessed or not outside.any():
        outside = ~inside
    pf, pb = _histogram(work, inside), _histogram(work, outside)
    if denied is not None and denied.any():
        pb = (pb + _histogram(work, denied)) / 2
    return _chance(work, _share(work, pf), _share(work, pb))


def _chance(work: Prepared, inside: Floats, outside: Floats) -> Floats:
    """Probability of foreground from a voxel's grey value's share among known foreground and background."""
    from scipy import ndimage

    floor = np.float32(UNSEEN / (COLOURS**3 if len(work.raw) > 1 else GREYS))
    odds: Floats = np.log((inside + floor) / (outside + floor))
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

"""Segment what a reader clicked or boxed: random walker with an intensity prior. No weights, any modality."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from backend.domain.errors import UserError
from backend.domain.geometry import Shape
from backend.domain.region import Box3D
from backend.domain.review import Code
from backend.domain.volume import Volume
from backend.experts import prompt_prior, prompt_roi, prompt_work
from backend.experts.card import Accuracy, Card, Draft, Progress, Prompt
from backend.experts.prompt_prior import unary
from backend.experts.prompt_roi import choose_roi
from backend.experts.prompt_work import Prepared, Seeds, prepare, seeds_of

if TYPE_CHECKING:
    from torch import Tensor

GROWTH = (1.0, 1.7, 3.0)  # an ROI guessed from a click is widened while the structure is cut off
TOO_FEW = 0.01  # of a box: less than this is no answer
CUT_OFF = 0.15  # share of a face inside the structure that says so


def segment(volume: Volume, prompt: Prompt) -> NDArray[np.bool_]:
    """Mask (k, j, i) on the volume's grid. Positive clicks are always in it, negative ones never.

    UserError when a click or box lies outside the volume, nothing says where to look, or nothing stands out in the box.
    """
    _check(volume, prompt)
    mask = _attempt(volume, prompt)
    box = prompt.box
    if box is not None and not any(p.positive for p in prompt.points) and mask.sum() < TOO_FEW * np.prod(box.shape):
        # A box drawn tight has the structure itself on its faces, which count as background: look from further out.
        wider = _attempt(volume, replace(prompt, box=_widened(box, volume.geometry.shape)))
        mask = np.zeros_like(wider)
        mask[box.slices] = wider[box.slices]
    if not mask.any():
        raise UserError("Nothing stands out in this box", "", "Draw it looser, or click inside the structure")
    return mask


def _widened(box: Box3D, shape: Shape) -> Box3D:
    """By a quarter of its size and at least two voxels on every side, but not across slices of a flat box."""
    by = [max(2, n // 4) if n > 1 else 0 for n in box.shape]
    low = (max(0, c - b) for c, b in zip((box.k0, box.j0, box.i0), by, strict=True))
    high = (min(n - 1, c + b) for c, b, n in zip((box.k1, box.j1, box.i1), by, shape, strict=True))
    return Box3D(*low, *high)


def _attempt(volume: Volume, prompt: Prompt) -> NDArray[np.bool_]:
    with _one_thread():
        for growth in GROWTH:
            work = prepare(volume, prompt, choose_roi(volume, prompt, growth))
            chance = _solve(work, prompt, seeds_of(work, prompt))
            if prompt.box is not None or prompt.start is not None or not _cut_off(chance, work, volume):
                break
        inside = _finish(_enlarge(chance, work), work, prompt)
    mask = np.zeros(volume.geometry.shape, dtype=np.bool_)
    mask[work.roi.box.slices] = inside
    for point in prompt.points:
        mask[point.index] = point.positive
    return mask


@contextmanager
def _one_thread() -> Iterator[None]:
    """One torch thread, then as many as before.

    The solver makes thousands of calls on under a megabyte each. One thread takes about 0.2 ms for them; two are little
    faster on an idle machine and a hundred times slower on a busy one, where each call waits for a thread to be run.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _check(volume: Volume, prompt: Prompt) -> None:
    shape = volume.geometry.shape
    for point in prompt.points:
        if not volume.geometry.contains(point.index):
            raise UserError("A click lies outside the image", f"{point.index} in {shape} (k, j, i)", "Count from 0")
    if prompt.box is not None and not prompt.box.within(shape):
        found = f"{prompt.box} in {shape} (k, j, i)"
        raise UserError("The box reaches outside the image", found, "Its corners are inclusive and count from 0")
    if prompt.start is not None and prompt.start.shape != shape:
        raise UserError("The mask to refine lies on another grid", f"{prompt.start.shape} and {shape}", "Start anew")
    started = prompt.start is not None and bool(prompt.start.any())
    if prompt.box is None and not started and not any(p.positive for p in prompt.points):
        found = f"{len(prompt.points)} clicks, none positive"
        raise UserError("Nothing says what to segment", found, "Click inside the structure or draw a box around it")


def _cut_off(chance: NDArray[np.float32], work: Prepared, volume: Volume) -> bool:
    """Whether what was found runs on beyond an ROI that was guessed."""
    box, shape = work.roi.box, volume.geometry.shape
    inner = (
        (box.k0 > 0, box.k1 < shape[0] - 1),
        (box.j0 > 0, box.j1 < shape[1] - 1),
        (box.i0 > 0, box.i1 < shape[2] - 1),
    )
    sides = [np.moveaxis(chance, a, 0)[1 if side == 0 else -2] for a in range(3) for side in (0, 1) if inner[a][side]]
    return any(float((side > 0.5).mean()) > CUT_OFF for side in sides)


def _solve(work: Prepared, prompt: Prompt, seeds: Seeds) -> NDArray[np.float32]:
    """Probability of foreground on the working grid, (k, j, i)."""
    import torch

    from backend.experts.random_walker import solve

    term = unary(work, prompt, seeds)
    device = work.grid.weights[0].device

    def tensor(array: NDArray[Any]) -> "Tensor":
        return torch.from_numpy(np.ascontiguousarray(array).reshape(-1)).to(device)

    work.solution = solve(
        work.grid,
        tensor(term.weight),
        tensor(term.value),
        tensor(seeds.positive | seeds.negative),
        tensor(seeds.positive.astype(np.float32)),
        work.solution,
    )
    chance: NDArray[np.float32] = work.solution.cpu().numpy().reshape(work.shape)
    return chance


def _enlarge(chance: NDArray[np.float32], work: Prepared) -> NDArray[np.bool_]:
    """Foreground on the ROI's own grid, trilinear between block centres."""
    if max(work.factors) == 1:
        return chance > 0.5
    import torch

    size = [n * f for n, f in zip(work.shape, work.factors, strict=True)]
    grown = torch.nn.functional.interpolate(torch.from_numpy(chance)[None, None], size=size, mode="trilinear")
    k, j, i = work.roi.box.shape
    inside: NDArray[np.bool_] = (grown[0, 0, :k, :j, :i] > 0.5).numpy()
    return inside


def _finish(inside: NDArray[np.bool_], work: Prepared, prompt: Prompt) -> NDArray[np.bool_]:
    """Keep what hangs together with a positive click (or the mask refined, or else the largest part); fill holes."""
    from scipy import ndimage

    box = work.roi.box
    low = np.array([box.k0, box.j0, box.i0])
    clicks = [tuple((np.array(p.index) - low).tolist()) for p in prompt.points if p.positive]
    for at in clicks:
        inside[at] = True
    labels, count = ndimage.label(inside)
    if count > 1:
        keep = {int(labels[at]) for at in clicks}
        if prompt.start is not None:
            keep |= set(np.unique(labels[prompt.start[box.slices]]).tolist())
        if not keep - {0}:
            keep = {int(np.bincount(labels.ravel())[1:].argmax()) + 1}
        chosen = np.zeros(count + 1, dtype=np.bool_)
        chosen[list(keep)] = True
        chosen[0] = False
        inside = chosen[labels]
    filled: NDArray[np.bool_] = (
        ndimage.binary_fill_holes(inside[0])[None] if inside.shape[0] == 1 else ndimage.binary_fill_holes(inside)
    )
    return filled


class _PromptExpert:
    card = Card(
        name="PROMPT",
        title="Click or box segmentation",
        version="2",
        task="Segments the structure a reader clicks or boxes",
        modalities=(),
        body_parts=(),
        assumptions=("The structure differs from its surroundings in grey value, or its border does",),
        accuracy=(
            Accuracy("Dice after 1 click", 0.764, "0.32-0.92", 12, "abdominal CT, box, TotalSegmentator labels", True),
            Accuracy("Dice after 3 clicks", 0.863, "0.64-0.96", 12, "abdominal CT, box, TotalSegmentator labels", True),
            Accuracy("Dice after 5 clicks", 0.885, "0.69-0.96", 12, "abdominal CT, box, TotalSegmentator labels", True),
            Accuracy("Dice after 5 clicks", 0.841, "from 0.48", 36, "the same, loose boxes and clicks, 3 seeds", True),
            Accuracy("Dice after 5 clicks", 0.966, "one case", 1, "CT spleen, box, manual mask", True),
            Accuracy("Dice after 5 clicks", 0.824, "0.77-0.85", 12, "MR hippocampus, box, manual masks", True),
            Accuracy("Dice after 5 clicks", 0.809, "0.76-0.87", 24, "other MR hippocampi, seen late in tuning", True),
        ),
        licence="Apache-2.0",
        memory_mb=500,
        limits=(
            "Every result needs the reader's eye: it follows grey values, it knows no anatomy",
            "Weak on the pancreas, on bowel and on long thin vessels; more clicks help",
            "On MR the first click alone is weak (hippocampus Dice 0.61), and one click in ten makes a result worse",
        ),
        interactive=True,
    )

    def fingerprint(self) -> str:
        settings = (GROWTH, CUT_OFF, prompt_prior.SETTINGS, prompt_roi.SETTINGS, prompt_work.SETTINGS)
        return hashlib.sha256(f"{self.card.name} {self.card.version} {settings}".encode()).hexdigest()

    def propose(self, volume: Volume, prompt: Prompt, progress: Progress) -> Iterator[Draft]:
        """One Draft with the mask."""
        progress(0.0, "segmenting")
        yield Draft(Code("Region"), mask=segment(volume, prompt))
        progress(1.0, "done")


EXPERT = _PromptExpert()

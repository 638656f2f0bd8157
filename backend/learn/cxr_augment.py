"""Random changes to radiographs and their labels, on whole batches in torch.

Imports torch, so only the training command imports this module.
"""

import torch
from torch import Tensor
from torch.nn import functional


def augmented(pictures: Tensor, labels: Tensor, side: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """New positions and new exposure.

    pictures: (n, 1, j, i) in 0-1. labels: (n, 3, j, i) one-hot background, right, left. Both come back at side x side.
    """
    grid = _grid(len(pictures), side, random)
    pictures = functional.grid_sample(pictures, grid, align_corners=False)
    lungs = functional.grid_sample(labels[:, 1:], grid, align_corners=False)
    pictures, lungs = _mirror(pictures, lungs, random)
    pictures = _disease(pictures, lungs, random)
    pictures = _exposure(pictures, random)
    pictures, lungs = _shutters(pictures, lungs, random)
    return pictures, torch.cat([1 - lungs.sum(1, keepdim=True), lungs], 1).clamp(0, 1)


def _uniform(n: int, low: float, high: float, random: torch.Generator) -> Tensor:
    return torch.rand(n, generator=random) * (high - low) + low


def _sometimes(n: int, chance: float, random: torch.Generator) -> Tensor:
    """(n, 1, 1, 1) of 0 and 1."""
    return (torch.rand(n, generator=random) < chance).float()[:, None, None, None]


def _grid(n: int, side: int, random: torch.Generator) -> Tensor:
    """Rotation, scale, shear and shift, then a smooth bending of about three per cent of the width."""
    turn = torch.randn(n, generator=random) * 0.12
    size = torch.exp(_uniform(n, -0.28, 0.3, random))
    wide = torch.exp(torch.randn(n, generator=random) * 0.1)
    shear = torch.randn(n, generator=random) * 0.06
    rows = torch.stack(
        [
            torch.stack([size * wide * turn.cos(), -size * turn.sin() + shear, _uniform(n, -0.22, 0.22, random)], 1),
            torch.stack([size * wide * turn.sin(), size * turn.cos(), _uniform(n, -0.22, 0.22, random)], 1),
        ],
        1,
    )
    grid = functional.affine_grid(rows, [n, 1, side, side], align_corners=False)
    bend = torch.randn(n, 2, 5, 5, generator=random) * 0.035
    bend = functional.interpolate(bend, size=(side, side), mode="bicubic", align_corners=True)
    return grid + bend.permute(0, 2, 3, 1)


def _mirror(pictures: Tensor, lungs: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Mirror some pictures and swap their sides: the lung on the image's left stays "right" by convention."""
    flip = _sometimes(len(pictures), 0.15, random)
    mirrored = lungs.flip(3)[:, [1, 0]]
    return pictures + flip * (pictures.flip(3) - pictures), lungs + flip * (mirrored - lungs)


def _soft_field(n: int, side: int, coarse: int, random: torch.Generator) -> Tensor:
    """(n, 1, side, side) of smooth noise, about -1 to 1."""
    field = torch.randn(n, 1, coarse, coarse, generator=random)
    return functional.interpolate(field, size=(side, side), mode="bicubic", align_corners=True)


def _disease(pictures: Tensor, lungs: Tensor, random: torch.Generator) -> Tensor:
    """Whiten parts of lungs, sometimes a whole one; the labels stay, as a reader's outline would."""
    n, _, side, _ = pictures.shape
    patches = torch.sigmoid(6 * (_soft_field(n, side, 7, random) - 0.7)) * _sometimes(n, 0.35, random)
    whole = lungs[:, :1] * _sometimes(n, 0.06, random) + lungs[:, 1:] * _sometimes(n, 0.06, random)
    rows = torch.linspace(0, 1, side)[None, None, :, None]
    level = _uniform(n, 0.45, 0.9, random)[:, None, None, None]
    fluid = torch.sigmoid((rows - level) * 30) * _sometimes(n, 0.12, random)
    amount = torch.maximum(torch.maximum(patches, fluid), whole) * _uniform(n, 0.4, 0.95, random)[:, None, None, None]
    amount = functional.avg_pool2d(amount * lungs.sum(1, keepdim=True), 7, stride=1, padding=3)
    white = _uniform(n, 0.6, 0.9, random)[:, None, None, None]
    return pictures + amount * (white - pictures).clamp(min=0)


def _exposure(pictures: Tensor, random: torch.Generator) -> Tensor:
    """Gamma, contrast, uneven field, blur, noise, and for some a negative."""
    n, _, side, _ = pictures.shape

    def each(values: Tensor) -> Tensor:
        return values[:, None, None, None]

    pictures = pictures.clamp(0, 1) ** each(torch.exp(torch.randn(n, generator=random) * 0.4))
    blurred = functional.avg_pool2d(functional.avg_pool2d(pictures, 3, 1, 1), 3, 1, 1)
    pictures = pictures + each(_uniform(n, -1.0, 0.9, random)) * (blurred - pictures)
    pictures = pictures + 0.08 * _soft_field(n, side, 3, random)
    pictures = (pictures - 0.5) * each(_uniform(n, 0.5, 1.25, random)) + 0.5 + each(_uniform(n, -0.12, 0.12, random))
    noise = torch.randn(pictures.shape, generator=random) * each(_uniform(n, 0, 0.045, random))
    pictures = (pictures + noise).clamp(0, 1)
    negative = _sometimes(n, 0.1, random)
    return pictures + negative * (1 - 2 * pictures)


def _shutters(pictures: Tensor, lungs: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Cover a margin of some pictures, and a few letter-sized patches; what a margin hides is no longer labelled."""
    n, _, side, _ = pictures.shape
    at = torch.linspace(0, 1, side)
    open_ = torch.ones(n, 1, side, side)
    for axis in (2, 3):
        edges = torch.rand(n, 2, generator=random) * 0.12 * _sometimes(n, 0.25, random)[:, :, 0, 0]
        inside = ((at[None] >= edges[:, :1]) & (at[None] <= 1 - edges[:, 1:])).float()
        open_ = open_ * (inside[:, None, :, None] if axis == 2 else inside[:, None, None, :])
    shade = torch.randint(0, 2, (n, 1, 1, 1), generator=random).float()
    pictures = pictures * open_ + shade * (1 - open_)
    for k in range(n):
        if torch.rand((), generator=random) < 0.3:
            j, i = (int(v) for v in torch.randint(0, side - 20, (2,), generator=random))
            tall, wide = (int(v) for v in torch.randint(3, 18, (2,), generator=random))
            pictures[k, :, j : j + tall, i : i + wide] = torch.rand((), generator=random)
    return pictures, lungs * open_

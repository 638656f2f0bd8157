"""Random walker with an intensity prior, solved on the GPU or CPU without a matrix.

Source: Grady, "Random walks for image segmentation", IEEE TPAMI 28 (2006), with the prior of Grady, "Multilabel random
walker image segmentation using prior models", CVPR 2005. Solves (L + gamma I) x = gamma p with x fixed at the seeds,
where L is the Laplacian of the 6-neighbour grid. Torch is imported inside functions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

WEIGHT_FLOOR = 1e-6
TOLERANCE = 1e-3
ITERATIONS = 120


@dataclass(frozen=True)
class Grid:
    """Edge weights of a (k, j, i) grid: per axis a flat tensor whose element n joins voxel n to its next."""

    shape: tuple[int, int, int]
    weights: tuple[Tensor, Tensor, Tensor]

    @property
    def strides(self) -> tuple[int, int, int]:
        return self.shape[1] * self.shape[2], self.shape[2], 1


def build_grid(features: Tensor, spacing: tuple[float, float, float], beta: float) -> Grid:
    """Weights exp(-beta (d / rms / 6)^2) from features (channel, k, j, i) float32; rms is of all neighbour distances.

    Divided by the squared spacing relative to the finest, as in the discrete Laplacian, so that thick slices are joined
    less strongly than neighbours within a slice.
    """
    import torch

    shape = (int(features.shape[1]), int(features.shape[2]), int(features.shape[3]))
    squared = []
    for axis in range(3):
        difference = torch.zeros(shape, dtype=torch.float32, device=features.device)
        if shape[axis] > 1:
            step = features.narrow(axis + 1, 1, shape[axis] - 1) - features.narrow(axis + 1, 0, shape[axis] - 1)
            difference.narrow(axis, 0, shape[axis] - 1).copy_((step * step).sum(0))
        squared.append(difference)
    edges = sum(s.numel() // n * (n - 1) for s, n in zip(squared, shape, strict=True))
    mean_square = float(sum(s.sum() for s in squared)) / max(edges, 1) + 1e-12
    finest = min(s for s, n in zip(spacing, shape, strict=True) if n > 1) if max(shape) > 1 else 1.0
    weights = []
    for axis, difference in enumerate(squared):
        weight = torch.exp(difference * (-beta / 36.0 / mean_square)).add_(WEIGHT_FLOOR)
        weight.mul_((finest / spacing[axis]) ** 2)
        weight.narrow(axis, shape[axis] - 1, 1).zero_()  # the last voxel has no next, and flat shifts must not wrap
        weights.append(weight.flatten())
    return Grid(shape, (weights[0], weights[1], weights[2]))


def solve(
    grid: Grid,
    gamma: Tensor,
    prior: Tensor,
    fixed: Tensor,
    values: Tensor,
    start: Tensor | None = None,
    iterations: int = ITERATIONS,
    tolerance: float = TOLERANCE,
) -> Tensor:
    """Probability of foreground for each voxel, flat float32, by Jacobi-preconditioned conjugate gradients.

    gamma, prior: flat float32, weight and value of the unary term. fixed: flat bool, voxels whose `values` are given.
    start: first guess. The preconditioner is folded into the weights, which leaves a unit diagonal.
    """
    import torch

    free = (~fixed).to(torch.float32)
    diagonal = gamma.clone()
    right = gamma * prior
    held = torch.where(fixed, values, torch.zeros_like(values))
    for weight, step in zip(grid.weights, grid.strides, strict=True):
        diagonal.add_(weight)
        diagonal[step:].add_(weight[:-step])
        right.addcmul_(weight[: right.numel()], torch.roll(held, -step))
        right[step:].addcmul_(weight[:-step], held[:-step])
    diagonal = torch.where(fixed, torch.ones_like(diagonal), diagonal.clamp_min(1e-9))
    right = torch.where(fixed, values, right)
    scale = diagonal.rsqrt()
    inner = scale * free
    links = [
        (step, (weight[:-step] * inner[:-step] * inner[step:]).contiguous())
        for weight, step, n in zip(grid.weights, grid.strides, grid.shape, strict=True)
        if n > 1
    ]
    first = right if start is None else torch.where(fixed, values, start)
    return _conjugate_gradients(links, right * scale, first / scale, iterations, tolerance) * scale


def _apply(links: list[tuple[int, Tensor]], x: Tensor, out: Tensor) -> Tensor:
    out.copy_(x)
    for step, weight in links:
        out[:-step].addcmul_(weight, x[step:], value=-1)
        out[step:].addcmul_(weight, x[:-step], value=-1)
    return out


def _conjugate_gradients(
    links: list[tuple[int, Tensor]], right: Tensor, x: Tensor, iterations: int, tolerance: float
) -> Tensor:
    import torch

    product = torch.empty_like(right)
    residual = right - _apply(links, x, product)
    direction = residual.clone()
    energy = float(residual @ residual)
    enough = float(right @ right) * tolerance**2
    for _ in range(iterations):
        if energy <= enough:
            break
        _apply(links, direction, product)
        curvature = float(direction @ product)
        if curvature <= 0:  # rounding only: the matrix is positive definite
            break
        step = energy / curvature
        x = x.add(direction, alpha=step)
        residual.add_(product, alpha=-step)
        energy, before = float(residual @ residual), energy
        direction.mul_(energy / before).add_(residual)
    return x

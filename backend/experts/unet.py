"""A small two-dimensional U-Net (Ronneberger et al. 2015) that runs in a fraction of a second on one CPU core.

Imports torch, so only functions that need a network import this module.
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional

WIDTHS = (8, 24, 48, 64, 64)  # channels from full resolution down; about 0.32 million parameters
GROUPS = 8


def _block(inputs: int, outputs: int, convolutions: int) -> nn.Sequential:
    """3 x 3 convolutions, each with group norm: it behaves the same for any batch size, so one image is enough."""
    layers: list[Any] = []
    for n in range(convolutions):
        layers += [nn.Conv2d(inputs if n == 0 else outputs, outputs, 3, padding=1, bias=False)]
        layers += [nn.GroupNorm(GROUPS, outputs), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


class UNet(nn.Module):  # type: ignore[misc]  # torch is not followed by mypy, so Module is Any
    """(batch, 1, j, i) float -> (batch, classes, j, i) logits; j and i are multiples of 16."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        inputs = (1, *WIDTHS[:-1])
        self.down = nn.ModuleList(_block(a, b, 2) for a, b in zip(inputs, WIDTHS, strict=True))
        self.up = nn.ModuleList(
            _block(deep + skip, skip, 1) for deep, skip in zip(WIDTHS[:0:-1], WIDTHS[-2::-1], strict=True)
        )
        self.head = nn.Conv2d(WIDTHS[0], classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skips: list[torch.Tensor] = []
        for n, block in enumerate(self.down):
            x = block(x if n == 0 else functional.max_pool2d(x, 2))
            skips.append(x)
        skips.pop()
        for block in self.up:
            x = functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
            x = block(torch.cat([x, skips.pop()], dim=1))
        return self.head(x)

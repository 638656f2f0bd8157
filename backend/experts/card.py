"""What an expert says of itself before anything heavy is imported, and what it hands back."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from backend.domain.region import Box3D, Point3D
from backend.domain.review import Code, Measurement, ModelVersion
from backend.domain.volume import Volume


@dataclass(frozen=True)
class Accuracy:
    """One measured figure: `value` of `metric` on `data` with n cases; development says the data was used to tune."""

    metric: str
    value: float
    spread: str
    n: int
    data: str
    development: bool


@dataclass(frozen=True)
class Card:
    """modalities: DICOM codes that pass the gate; () for any. excludes: meanings whose absence a run can state."""

    name: str
    title: str
    version: str
    task: str
    modalities: tuple[str, ...]
    body_parts: tuple[str, ...]  # upper-case DICOM Body Part Examined values that pass; () or an unknown part passes
    assumptions: tuple[str, ...]
    accuracy: tuple[Accuracy, ...]
    licence: str
    memory_mb: int
    weights: str = ""  # path under assets, "" for an algorithm
    limits: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    interactive: bool = False


@dataclass(frozen=True)
class Draft:
    """One region an expert proposes: a mask (k, j, i) bool on the volume's grid, or a box."""

    code: Code
    mask: NDArray[np.bool_] | None = None
    box: Box3D | None = None
    site: str = ""
    certainty: float | None = None
    measurements: tuple[Measurement, ...] = ()


@dataclass(frozen=True)
class SpotDraft:
    """One place worth a look."""

    point: Point3D
    diameter_mm: float
    score: float


@dataclass(frozen=True)
class Abstention:
    """A part of its task that an expert leaves out, and why; the rest of its drafts stand."""

    reason: str


@dataclass(frozen=True)
class Prompt:
    """What a reader marked: clicks and at most one box. `start`: the mask to refine, or None."""

    points: tuple[Point3D, ...] = ()
    box: Box3D | None = None
    start: NDArray[np.bool_] | None = field(default=None, compare=False)


Progress = Callable[[float, str], None]
"""Called with a fraction 0-1 and a word for the step; raises when the job was cancelled."""


class Expert(Protocol):
    """A module-level object named EXPERT in each expert's file."""

    card: Card

    def fingerprint(self) -> str:
        """sha256 over weights and settings."""
        ...

    def propose(self, volume: Volume, prompt: Prompt, progress: Progress) -> Iterator[Draft | SpotDraft | Abstention]:
        """Yield drafts; UserError when an assumption fails (the reason is shown to the reader)."""
        ...


def version_of(expert: Expert) -> ModelVersion:
    """What a proposal of this expert is recorded under."""
    return ModelVersion(expert.card.name, expert.card.version, expert.fingerprint(), expert.card.licence)


def assets_folder() -> Path:
    """The folder of shipped weights and cards."""
    return Path(__file__).resolve().parents[2] / "assets"

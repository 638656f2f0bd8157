"""What was imported."""

from dataclasses import dataclass

from backend.domain.geometry import Geometry
from backend.domain.volume import Quantity, Window


@dataclass(frozen=True)
class Source:
    """One original file: where it lies and the sha256 of its bytes. It is never moved or changed."""

    path: str
    sha256: str


@dataclass(frozen=True)
class Series:
    """One image or volume and its cache.

    cache: file name under the library's `voxels` folder, raw C order; dtype: int16 or uint8, colour adds an axis of 3.
    pixels_sha256: of the decoded stored pixels in C order before rescale. modality: DICOM's code (CT, MR, DX, OT).
    """

    series_uid: str
    study_uid: str
    modality: str
    body_part: str
    description: str
    geometry: Geometry
    dtype: str
    colour: bool
    quantity: Quantity
    slope: float
    intercept: float
    windows: tuple[Window, ...]
    inverted: bool
    padding: int | None
    pixels_sha256: str
    cache: str
    warnings: tuple[str, ...]
    sources: tuple[Source, ...]


@dataclass(frozen=True)
class Study:
    """A pseudonym and a description; no name, number or date of the patient."""

    study_uid: str
    pseudonym: str
    description: str

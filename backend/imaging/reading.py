"""What reading gives, and what every reader shares: limits, derived UIDs, the boundary around third-party decoders."""

import hashlib
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.domain.errors import UserError
from backend.domain.study import Source
from backend.domain.volume import Volume

Progress = Callable[[float, str], None]
"""Called with a fraction 0-1 and a word; may raise to cancel."""

DECODED_LIMIT = 4 * 1024**3
"""Bytes of decoded pixels above which a file is refused before anything is allocated."""


@dataclass(frozen=True)
class Decoded:
    """The pixels as the decoder gave them, before rescale and before they were made to fit int16 or uint8.

    shape: (k, j, i) or (k, j, i, 3). dtype: numpy's name, with the file's byte order. minimum, maximum: over the whole
    file, also where one time point of several is shown. sha256: of the little-endian bytes in C order, files in k order
    and the frames of one file in the file's order.
    """

    shape: tuple[int, ...]
    dtype: str
    minimum: float
    maximum: float
    sha256: str
    transfer_syntax: str = ""
    photometric: str = ""


@dataclass(frozen=True, eq=False)
class ReadSeries:
    """One image or volume as it was read. No name, number or date of the patient in any field but the next.

    pseudonym_source: PatientID, else PatientName, else "": to derive a pseudonym from, never to be stored or shown.
    """

    volume: Volume
    series_uid: str
    study_uid: str
    modality: str
    body_part: str
    description: str
    pseudonym_source: str
    decoded: Decoded
    sources: tuple[Source, ...]

    @property
    def pixels_sha256(self) -> str:
        return self.decoded.sha256

    @property
    def shape(self) -> tuple[int, int, int]:
        """(k, j, i)."""
        return self.volume.geometry.shape


@dataclass(frozen=True)
class Refusal:
    """A file that was not read, and why."""

    path: Path
    error: UserError


def derived_uid(*parts: str) -> str:
    """A UID under 2.25 (PS3.5 B.2) that depends on the parts alone, so that importing twice gives the same one."""
    return f"2.25.{int(hashlib.sha256('|'.join(parts).encode()).hexdigest()[:32], 16)}"


def pixels_uid(pixels_sha256: str) -> str:
    """The series UID of a file that has none: 2.25 and the first 128 bits of its pixels' sha256."""
    return f"2.25.{int(pixels_sha256[:32], 16)}"


def little_endian_sha256(*arrays: NDArray[Any]) -> str:
    """sha256 over the arrays' elements in C order, little endian."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).data)
    return digest.hexdigest()


def decoded_of(
    array: NDArray[Any], shape: tuple[int, ...], transfer_syntax: str = "", photometric: str = ""
) -> Decoded:
    """Facts of one decoded array; NaN is left out of the range."""
    low, high = value_range(array)
    return Decoded(shape, str(array.dtype), low, high, little_endian_sha256(array), transfer_syntax, photometric)


def value_range(array: NDArray[Any]) -> tuple[float, float]:
    """Smallest and largest finite value; (0, 0) when there is none."""
    if array.dtype.kind == "f":
        low, high = array.min(), array.max()
        if not (np.isfinite(low) and np.isfinite(high)):
            array = array[np.isfinite(array)]
            if not array.size:
                return 0.0, 0.0
    return float(array.min()), float(array.max())


def plausible_rescale(slope: float, intercept: float) -> bool:
    """Whether value = pixel * slope + intercept stays a finite number for any pixel; a slope of 0 is none."""
    return 1e-30 < abs(slope) < 1e30 and abs(intercept) < 1e30


def source_of(path: Path, data: bytes) -> Source:
    return Source(str(path.absolute()), hashlib.sha256(data).hexdigest())


def title_of(path: Path) -> str:
    """What a file that names no study is called: its folder and its name without suffixes, as its owner knows it."""
    return f"{path.absolute().parent.name}/{path.name.split('.')[0]}"[:80]


def read_bytes(path: Path) -> bytes:
    """The whole file; UserError when it cannot be opened."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(
            "This file cannot be opened", error.strerror or "", "Check that it is there and readable"
        ) from None


def refuse_oversize(claimed: int) -> None:
    """UserError when the header claims more decoded bytes than this program opens. Nothing was allocated yet."""
    if claimed > DECODED_LIMIT:
        raise UserError(
            "The header of this file claims an image that is too large to open",
            f"{claimed / 1024**3:.1f} GiB decoded",
            f"Split it; the limit is {DECODED_LIMIT // 1024**3} GiB",
        )


@contextmanager
def decoding(what: str, next: str = "Export the file again from where it came") -> Iterator[None]:
    """The boundary around a third-party decoder: whatever it raises on hostile bytes becomes a UserError.

    Python warnings and log lines are silenced meanwhile: decoders quote header values in them, names among these.
    """
    loggers = [logging.getLogger(name) for name in ("pydicom", "nibabel.global", "PIL")]
    before = [logger.disabled for logger in loggers]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for logger in loggers:
                logger.disabled = True
            yield
    except UserError:
        raise
    except Exception as error:
        # Deliberately broad: on damaged bytes pydicom, nibabel, Pillow and ITK raise nearly every class there is.
        line = _telling_line(str(error))
        raise UserError(what, f"{type(error).__name__}: {line}" if line else type(error).__name__, next) from error
    finally:
        for logger, disabled in zip(loggers, before, strict=True):
            logger.disabled = disabled


def _telling_line(text: str) -> str:
    """The first line that says something, past one that only announces it, cut to 160 printable characters."""
    lines = ["".join(c for c in line if c.isprintable()).strip() for line in text.splitlines()]
    lines = [line for line in lines if line]
    telling = [line for line in lines if not line.endswith(":")]
    return (telling or lines or [""])[0][:160]

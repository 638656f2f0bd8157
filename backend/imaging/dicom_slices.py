"""The slices of one volume, read one file after the other into one array."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from backend.domain.errors import UserError
from backend.domain.study import Source
from backend.imaging.dicom_frames import frame_planes
from backend.imaging.dicom_grid import Plane
from backend.imaging.dicom_header import Rescale, plane_in, rescale_of, uid_text
from backend.imaging.dicom_pixels import decode_pixels, parse_dicom, transfer_syntax_name
from backend.imaging.reading import Decoded, decoding, read_bytes, refuse_oversize, source_of, value_range


@dataclass(frozen=True, eq=False)
class LoadedFile:
    data: bytes
    source: Source


def load_file(path: Path) -> LoadedFile:
    """Read and hash; safe in another thread, where it overlaps with decoding. UserError when it cannot be opened."""
    data = read_bytes(path)
    return LoadedFile(data, source_of(path, data))


class Slices:
    """Filled by `add`. planes and rescales: one entry a slice, None where the file gives none."""

    def __init__(self, files: int) -> None:
        self.first: Dataset | None = None
        self.planes: list[Plane | None] = []
        self.rescales: list[Rescale | None] = []
        self.sources: list[Source] = []
        self.warnings: list[str] = []
        self._files = files
        self._array: NDArray[Any] = np.empty((0, 0, 0))
        self._starts: dict[str, int] = {}
        self._digest = hashlib.sha256()
        self._decoded: list[tuple[tuple[int, ...], np.dtype[Any], float, float]] = []

    @property
    def array(self) -> NDArray[Any]:
        """(slices, rows, columns[, 3]) in the order of adding."""
        return self._array[: len(self.planes)]

    def add(self, file: LoadedFile) -> bool:
        """Decode one file; its frames follow those already here. A UserError changes nothing.

        False when it is a copy, which is left out: its SOP Instance UID and its pixels are already here.
        """
        ds = parse_dicom(file.data)
        pixels = decode_pixels(ds)
        frames = len(pixels.shown)
        with decoding("The header of this DICOM file cannot be read"):
            planes = self._planes(ds, frames)
            rescales = [rescale_of(ds, n) for n in range(frames)]
            uid = uid_text(ds.get("SOPInstanceUID"))
        start = len(self.planes)
        if uid in self._starts and np.array_equal(self._array[self._starts[uid] :][:frames], pixels.shown):
            return False
        self._place(pixels.shown)
        if uid:
            self._starts[uid] = start
        self.first = self.first or ds
        self.planes += planes
        self.rescales += rescales
        self.sources.append(file.source)
        self.warnings += [w for w in pixels.warnings if w not in self.warnings]
        decoded = pixels.decoded
        self._digest.update(np.ascontiguousarray(decoded, dtype=decoded.dtype.newbyteorder("<")).data)
        self._decoded.append((decoded.shape, decoded.dtype, *value_range(decoded)))
        return True

    @staticmethod
    def _planes(ds: Dataset, frames: int) -> Sequence[Plane | None]:
        own = plane_in(ds, ds) if frames == 1 else None
        if own is not None:
            return [own]
        found = frame_planes(ds, frames)
        return found if found is not None else [None] * frames

    def _place(self, shown: NDArray[Any]) -> None:
        start, frames = len(self.planes), len(shown)
        if self.first is None:
            refuse_oversize(shown.nbytes * self._files)
            # A single file needs no second copy of its pixels.
            self._array = shown if self._files == 1 else np.empty((frames * self._files, *shown.shape[1:]), shown.dtype)
        elif shown.shape != (1, *self._array.shape[1:]):
            raise UserError("The size of this file differs from its series", f"{shown.shape}", "Import it on its own")
        common = np.result_type(self._array.dtype, shown.dtype)
        if common != self._array.dtype:
            self._array = self._array.astype(common)
        if self._files > 1:
            self._array[start : start + frames] = shown

    def decoded(self) -> Decoded:
        """Facts of all decoded pixels; at least one file was added."""
        assert self.first is not None
        shapes, dtypes, lows, highs = zip(*self._decoded, strict=True)
        return Decoded(
            (len(self.planes), *shapes[0][1:]),
            str(np.result_type(*dtypes)) if len(set(dtypes)) > 1 else str(dtypes[0]),
            min(lows),
            max(highs),
            self._digest.hexdigest(),
            transfer_syntax_name(self.first),
            str(self.first.get("PhotometricInterpretation") or "")[:16],
        )

"""What a path holds, for `overread inspect`: facts of the decoded pixels, of the grid, and warnings."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.domain.errors import UserError
from backend.imaging.reading import ReadSeries, Refusal
from backend.imaging.scan import read_series


@dataclass(frozen=True, eq=False)
class Inspected:
    """The volumes read from one path (a file or a folder) and the first refusal, if there was one."""

    path: Path
    series: tuple[ReadSeries, ...]
    error: UserError | None

    @property
    def ok(self) -> bool:
        """Whether anything could be read."""
        return bool(self.series)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types under the keys the command line promises."""
        error = self.error
        return {
            "path": str(self.path),
            "ok": self.ok,
            "series": [_series_json(s) for s in self.series],
            "error": None if error is None else {"what": error.what, "found": error.found, "next": error.next},
        }


def inspect(path: Path) -> Inspected:
    """Read everything at the path. Nothing of the patient's identity is in the result."""
    series: list[ReadSeries] = []
    error: UserError | None = None
    for result in read_series([path], lambda fraction, word: None):
        if isinstance(result, Refusal):
            error = error or result.error
        else:
            series.append(result)
    if not series and error is None:
        error = UserError("There is no image here", "an empty folder", "Give a folder with images")
    return Inspected(path, tuple(series), error)


def _series_json(read: ReadSeries) -> dict[str, Any]:
    """shape, dtype, min, max and pixels_sha256: of the decoded pixels before rescale; the rest as in Geometry."""
    decoded, grid = read.decoded, read.volume.geometry
    whole = decoded.minimum.is_integer() and decoded.maximum.is_integer() and "float" not in decoded.dtype
    return {
        "series_uid": read.series_uid,
        "modality": read.modality,
        "shape": list(decoded.shape),
        "dtype": decoded.dtype,
        "min": int(decoded.minimum) if whole else decoded.minimum,
        "max": int(decoded.maximum) if whole else decoded.maximum,
        "pixels_sha256": decoded.sha256,
        "spacing_mm": list(grid.spacing) if grid.unit == "mm" else None,
        "direction": grid.direction.tolist(),
        "origin_mm": list(grid.origin) if grid.unit == "mm" else None,
        "transfer_syntax": decoded.transfer_syntax,
        "photometric": decoded.photometric,
        "warnings": list(read.volume.warnings),
    }

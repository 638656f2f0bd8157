"""NRRD and MetaImage files (.nrrd, .mha, .mhd) to volumes through SimpleITK, whose world is LPS as ours."""

import hashlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from backend.domain.errors import UserError
from backend.domain.geometry import Geometry, Unit
from backend.domain.study import Source
from backend.domain.volume import Quantity, Volume
from backend.imaging.modality import guess_modality
from backend.imaging.reading import (
    ReadSeries,
    decoded_of,
    decoding,
    derived_uid,
    pixels_uid,
    read_bytes,
    refuse_oversize,
    source_of,
    title_of,
)
from backend.imaging.stored import percentile_window, to_stored

DETACHED = re.compile(rb"^(?:ElementDataFile\s*=|data ?file:)\s*(.+?)\s*$", re.IGNORECASE | re.MULTILINE)
HEADER_LIMIT = 65536


def read_itk(path: Path) -> ReadSeries:
    """One file, whole, with the grid of its header. The modality is guessed, and a warning says so."""
    data = read_bytes(path)
    header = _header_text(data[:HEADER_LIMIT])
    detached = _detached(path, header)
    warnings: list[str] = []
    held = detached.stat().st_size if detached else len(data)
    pixels, geometry = _read(path, header, held, warnings)
    decoded = decoded_of(pixels, pixels.shape)
    if pixels.ndim == 4:
        volume, modality = Volume(pixels, geometry, Quantity.COLOUR, warnings=tuple(warnings)), "OT"
    else:
        modality = guess_modality(pixels, 1.0, 0.0, path.name, warnings)
        volume = _volume(pixels, geometry, modality, warnings)
    sources = (source_of(path, data), *((Source(str(detached), _file_sha256(detached)),) if detached else ()))
    series_uid, study_uid = pixels_uid(decoded.sha256), derived_uid("study", decoded.sha256)
    return ReadSeries(volume, series_uid, study_uid, modality, "", title_of(path), "", decoded, sources)


def _volume(pixels: NDArray[Any], geometry: Geometry, modality: str, warnings: list[str]) -> Volume:
    ct = modality == "CT"
    fitted = to_stored(pixels, keep_bytes=not ct)
    return Volume(
        fitted.array,
        geometry,
        Quantity.HU if ct else Quantity.ONE,
        fitted.slope,
        fitted.intercept,
        () if ct else (percentile_window(fitted.array, fitted.slope, fitted.intercept, fitted.missing),),
        padding=fitted.missing,
        warnings=(*warnings, *fitted.warnings),
    )


def _header_text(head: bytes) -> bytes:
    """The text before the pixels: up to a blank line (NRRD) or to the end of the ElementDataFile line (MetaImage)."""
    end = re.search(rb"\r?\n\r?\n" if head.startswith(b"NRRD") else rb"ElementDataFile[^\n]*\n", head)
    return head[: end.end()] if end else head


def _refuse_impossible(reader: sitk.ImageFileReader, held: int) -> None:
    """Refuse by size before anything is allocated; deflate shrinks to no less than 1/1032."""
    bits = re.match(r"\d+", sitk.GetPixelIDValueAsString(reader.GetPixelID()).removeprefix("vector of "))
    item = max(1, int(bits.group()) // 8) if bits else 8
    claimed = int(np.prod(reader.GetSize(), dtype=object)) * reader.GetNumberOfComponents() * item
    refuse_oversize(claimed)
    if claimed > held * 1032 + 4096:
        raise UserError(
            "The header of this image file claims more pixels than it can hold", f"{claimed} bytes in {held}"
        )


def _read(path: Path, head: bytes, held: int, warnings: list[str]) -> tuple[NDArray[Any], Geometry]:
    """Pixels (k, j, i) or (k, j, i, 3) and their grid; refused by size before they are read."""
    with decoding("This image file is damaged or cannot be decoded", "Copy or export it again"):
        reader = sitk.ImageFileReader()
        reader.SetFileName(str(path))
        reader.SetImageIO("NrrdImageIO" if head.startswith(b"NRRD") else "MetaImageIO")
        reader.ReadImageInformation()
        size, components = reader.GetSize(), reader.GetNumberOfComponents()
        _refuse_impossible(reader, held)
        if len(size) > 3:
            warnings.append(f"The file has {len(size)} dimensions; the first volume is shown.")
            reader.SetExtractSize([*size[:3], *[0] * (len(size) - 3)])
        image = reader.Execute()
        pixels = sitk.GetArrayFromImage(image)
        dimension = image.GetDimension()
        spacing, origin = image.GetSpacing(), image.GetOrigin()
        direction = np.asarray(image.GetDirection(), dtype=float).reshape(dimension, dimension)
    pixels = _one_or_three(pixels, dimension, components, warnings)
    if dimension == 2:
        flat = np.eye(3)
        flat[:2, :2] = direction
        pixels, direction, spacing, origin = pixels[np.newaxis], flat, (*spacing, 1.0), (*origin, 0.0)
    unit = _unit(head, warnings)
    shape = (int(pixels.shape[0]), int(pixels.shape[1]), int(pixels.shape[2]))
    with decoding("The grid in this file's header cannot be used"):
        geometry = Geometry.from_itk(shape, spacing[:3], origin[:3], direction, unit=unit)
    return pixels, geometry


def _one_or_three(pixels: NDArray[Any], dimension: int, components: int, warnings: list[str]) -> NDArray[Any]:
    """Scalars as they are, three bytes as colour, the first component of anything else."""
    if pixels.dtype.kind not in "biuf":
        raise UserError(
            "This image file holds complex numbers", str(pixels.dtype), "Save its magnitude as real numbers"
        )
    if pixels.ndim == dimension:
        return pixels
    if components == 3 and pixels.dtype == np.uint8:
        return pixels
    warnings.append(f"Each voxel holds {components} numbers; the first is shown.")
    return np.ascontiguousarray(pixels[..., 0])


def _unit(head: bytes, warnings: list[str]) -> Unit:
    """PIXEL when the header gives no spacing at all; a warning when it does not name the patient's axes."""
    text = head.lower()
    if head.startswith(b"NRRD"):
        if b"spacings:" not in text and b"space directions:" not in text:
            warnings.append("The header gives no voxel size; lengths are in pixels.")
            return Unit.PIXEL
        if not re.search(rb"^space: *(left|right|[lr][ap]s)", text, re.MULTILINE):
            warnings.append("The header does not name the patient's axes; left and right are not known.")
    elif b"elementspacing" not in text and b"elementsize" not in text:
        warnings.append("The header gives no voxel size; lengths are in pixels.")
        return Unit.PIXEL
    return Unit.MM


def _detached(path: Path, head: bytes) -> Path | None:
    """The file beside the header that holds the pixels, None when they follow the header.

    Only a plain name in the header's own folder is followed: a header from elsewhere must not make this program read
    arbitrary files.
    """
    found = DETACHED.search(head)
    if found is None or found.group(1).upper() == b"LOCAL":
        return None
    name = found.group(1).decode("utf-8", "replace")
    beside = path.absolute().parent / name
    if Path(name).name != name or name.upper().startswith("LIST") or beside.is_symlink() or not beside.is_file():
        raise UserError(
            "This header keeps its pixels in another file that cannot be used",
            name[:80],
            "Put one data file beside the header, or save it as one .nrrd or .mha file",
        )
    return beside


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

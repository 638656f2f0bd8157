"""The voxel cache: one raw file a volume, C order (k, j, i[, 3]), little endian, named by its content."""

import hashlib
import os
import re
from pathlib import Path

import numpy as np

from backend.domain.errors import UserError
from backend.domain.study import Series
from backend.domain.volume import Volume
from backend.imaging.reading import ReadSeries

NAME = re.compile(r"[0-9a-f]{64}")


def write_cache(folder: Path, volume: Volume) -> str:
    """Store the pixels, once and atomically, and return the file's name: sha256 over type, shape and bytes."""
    array = np.ascontiguousarray(volume.array, dtype=volume.array.dtype.newbyteorder("<"))
    digest = hashlib.sha256(f"{volume.array.dtype.name}{array.shape}".encode())
    digest.update(array.data)
    name = digest.hexdigest()
    path = folder / name
    if path.exists() and path.stat().st_size == array.nbytes:
        return name
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(array.data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        found = f"{array.nbytes / 1e6:.0f} MB needed; {error.strerror}"
        raise UserError(
            "The pixels of this image cannot be stored", found, "Free some space in the data folder"
        ) from None
    return name


def open_cache(folder: Path, series: Series) -> Volume:
    """The volume, memory-mapped and read-only. UserError when the file is missing or not of the size it must be."""
    if not NAME.fullmatch(series.cache):
        raise UserError("This is not the name of a voxel file", series.cache[:80], "Import the images again")
    path = folder / series.cache
    shape = (*series.geometry.shape, 3) if series.colour else series.geometry.shape
    dtype = np.dtype(series.dtype).newbyteorder("<")
    try:
        size = path.stat().st_size
    except OSError:
        raise UserError("The voxels of this series are missing", path.name, "Import the images again") from None
    if size != int(np.prod(shape, dtype=np.int64)) * dtype.itemsize:
        raise UserError("The voxels of this series are damaged", f"{size} bytes", "Import the images again")
    return Volume(
        np.memmap(path, dtype=dtype, mode="r", shape=shape),
        series.geometry,
        series.quantity,
        series.slope,
        series.intercept,
        series.windows,
        series.inverted,
        series.padding,
        series.warnings,
    )


def to_series(read: ReadSeries, cache: str) -> Series:
    """The record of what was read; `cache` is the name `write_cache` gave."""
    volume = read.volume
    return Series(
        read.series_uid,
        read.study_uid,
        read.modality,
        read.body_part,
        read.description,
        volume.geometry,
        volume.array.dtype.name,
        volume.is_colour,
        volume.quantity,
        volume.slope,
        volume.intercept,
        volume.windows,
        volume.inverted,
        volume.padding,
        read.pixels_sha256,
        cache,
        volume.warnings,
        read.sources,
    )

"""Mask files: the bounding box's voxels, one bit each, rows padded to bytes, zlib around it.

The zlib stream is what HTTP calls `Content-Encoding: deflate`, so the server sends the file as it lies and the browser
unpacks it. Bit b of byte n in row (k, j) is column i0 + 8 n + b (little bit order).
"""

import hashlib
import os
import re
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.domain.errors import UserError
from backend.domain.geometry import Shape
from backend.domain.region import Box3D, Mask

SHA256 = re.compile(r"[0-9a-f]{64}")


def mask_path(folder: Path, sha256: str) -> Path:
    """Where the mask of this name lies; refuses anything that is not a sha256."""
    if not SHA256.fullmatch(sha256):
        raise UserError("This is not the name of a mask", sha256[:80], "A mask is named by 64 hexadecimal digits")
    return folder / sha256[:2] / sha256


def write_mask(folder: Path, voxels: NDArray[np.bool_]) -> Mask:
    """Store a (k, j, i) boolean array and return its name. UserError when no voxel is set. Written once, atomically."""
    box = bounding_box(voxels)
    packed = np.packbits(voxels[box.slices], axis=-1, bitorder="little")
    data = zlib.compress(packed.tobytes(), 3)
    name = hashlib.sha256(f"{box.k0},{box.j0},{box.i0},{box.shape}".encode() + packed.tobytes()).hexdigest()
    path = mask_path(folder, name)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    return Mask(name, box, int(np.count_nonzero(voxels)))


def read_mask(folder: Path, mask: Mask, shape: Shape) -> NDArray[np.bool_]:
    """The mask on its whole grid, (k, j, i) bool. UserError when the file is missing or not what its name says."""
    voxels = np.zeros(shape, dtype=np.bool_)
    voxels[mask.box.slices] = read_mask_box(folder, mask)
    return voxels


def read_mask_box(folder: Path, mask: Mask) -> NDArray[np.bool_]:
    """The voxels of the mask's bounding box alone."""
    path = mask_path(folder, mask.sha256)
    if not path.exists():
        raise UserError("The file of a mask is missing", path.name, "Restore the library from a backup")
    k, j, i = mask.box.shape
    packed = np.frombuffer(zlib.decompress(path.read_bytes()), dtype=np.uint8)
    if packed.size != k * j * ((i + 7) // 8):
        raise UserError("The file of a mask is damaged", path.name, "Restore the library from a backup")
    bits = np.unpackbits(packed.reshape(k, j, -1), axis=-1, count=i, bitorder="little")
    return bits.astype(np.bool_)


def bounding_box(voxels: NDArray[np.bool_]) -> Box3D:
    """Smallest box that holds every set voxel; UserError when there is none."""
    if voxels.ndim != 3 or not voxels.any():
        raise UserError("This mask is empty", f"shape {voxels.shape}", "Mark at least one voxel")
    low, high = [], []
    for axis in range(3):
        other = tuple(a for a in range(3) if a != axis)
        hit = np.flatnonzero(voxels.any(axis=other))
        low.append(int(hit[0]))
        high.append(int(hit[-1]))
    return Box3D(*low, *high)

"""PNG and JPEG pictures to one-slice volumes. Nothing in them is calibrated, so their unit is the pixel."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from backend.domain.geometry import Geometry, Unit
from backend.domain.volume import Quantity, Volume
from backend.imaging.reading import (
    ReadSeries,
    decoded_of,
    decoding,
    derived_uid,
    pixels_uid,
    read_bytes,
    refuse_oversize,
    source_of,
)
from backend.imaging.stored import percentile_window, to_stored

UNCALIBRATED = np.array([[0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]], dtype=float)
"""(k, j, i) to (x, y, z) = (i, j, k) in pixels."""

KEPT_MODES = ("L", "RGB", "I", "I;16", "I;16B", "I;16L", "F")
EXIF_ORIENTATION = 0x0112


def read_raster(path: Path) -> ReadSeries:
    """One picture, grey or colour; three equal channels become grey. Modality OT: it does not say what it shows."""
    data = read_bytes(path)
    warnings: list[str] = []
    raw, pixels = _decode(data, warnings)
    decoded = decoded_of(raw, (1, *raw.shape))
    geometry = Geometry.of((1, *pixels.shape[:2]), UNCALIBRATED, unit=Unit.PIXEL)
    volume = _volume(pixels[np.newaxis], geometry, warnings)
    return ReadSeries(
        volume,
        pixels_uid(decoded.sha256),
        derived_uid("study", decoded.sha256),
        "OT",
        "",
        path.name.split(".")[0],
        "",
        decoded,
        (source_of(path, data),),
    )


def _volume(pixels: NDArray[Any], geometry: Geometry, warnings: list[str]) -> Volume:
    if pixels.ndim == 4:
        if not _is_grey(pixels):
            return Volume(pixels, geometry, Quantity.COLOUR, warnings=tuple(warnings))
        pixels = np.ascontiguousarray(pixels[..., 0])
    fitted = to_stored(pixels)
    return Volume(
        fitted.array,
        geometry,
        Quantity.ONE,
        fitted.slope,
        fitted.intercept,
        (percentile_window(fitted.array, fitted.slope, fitted.intercept, fitted.missing),),
        padding=fitted.missing,
        warnings=(*warnings, *fitted.warnings),
    )


def _is_grey(pixels: NDArray[Any]) -> bool:
    return np.array_equal(pixels[..., 0], pixels[..., 1]) and np.array_equal(pixels[..., 0], pixels[..., 2])


def _decode(data: bytes, warnings: list[str]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Pixels as decoded (palettes as indices), and the same as grey or RGB. Never turned."""
    # Formats are named so that content sniffed as PNG or JPEG cannot reach Pillow's other decoders.
    with (
        decoding("This picture is damaged or cannot be decoded", "Copy or export it again"),
        Image.open(BytesIO(data), formats=("PNG", "JPEG")) as image,
    ):
        refuse_oversize(image.width * image.height * 4)
        image.load()
        if getattr(image, "n_frames", 1) > 1:
            warnings.append("The picture is animated; its first frame is shown.")
        if image.getexif().get(EXIF_ORIENTATION, 1) != 1:
            warnings.append("The camera asks for this picture to be turned; it is shown as stored.")
        raw = np.array(image)
        return raw, raw if image.mode in KEPT_MODES else _converted(image, warnings)


def _converted(image: Image.Image, warnings: list[str]) -> NDArray[Any]:
    if image.mode in ("LA", "RGBA", "PA") or "transparency" in image.info:
        warnings.append("Transparency was dropped.")
    grey = image.mode in ("1", "LA")
    return np.array(image.convert("L" if grey else "RGB"))

"""The pixels of one DICOM file: checked for size, decoded by pydicom's plugins, colour brought to 8-bit RGB."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import apply_color_lut, apply_modality_lut, pixel_array
from pydicom.uid import (
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
)

from backend.domain.errors import UserError
from backend.imaging.dicom_jpeg import decode_jpeg_extended, refuse_bad_jpeg
from backend.imaging.reading import decoding, refuse_oversize

COMPRESSION_LIMIT = 2000
"""No diagnostic image is smaller than its pixels by more; beyond it a small file is there to fill memory."""
UNCHECKED_BYTES = 256 * 1024**2
DEFLATED = DeflatedExplicitVRLittleEndian.encode()
DECODERS = {
    JPEGBaseline8Bit: ("pillow",),
    JPEGExtended12Bit: ("pillow",),
    JPEG2000Lossless: ("pylibjpeg", "pillow"),
    JPEG2000: ("pylibjpeg", "pillow"),
    JPEGLSLossless: ("pyjpegls",),
    JPEGLSNearLossless: ("pyjpegls",),
}
"""pydicom's plugins by transfer syntax; others take any. GDCM reads these too, but ends the process on damaged data."""
JPEG_SYNTAXES = (JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1)
PIXEL_KEYWORDS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


@dataclass(frozen=True, eq=False)
class Pixels:
    """decoded: (frames, rows, columns[, 3]) as the decoder gives it (colour as RGB, palettes as indices).

    shown: the same made fit for display: palettes looked up, colour as uint8, Modality LUT Sequence applied.
    """

    decoded: NDArray[Any]
    shown: NDArray[Any]
    warnings: tuple[str, ...] = ()


def parse_header(path: Path) -> Dataset:
    """Everything before the pixels, read from the file's beginning alone."""
    with decoding("This DICOM file cannot be read"), path.open("rb") as file:
        head = file.read(1024)
        if DEFLATED in head:
            return parse_dicom(head + file.read())
        file.seek(0)
        return _with_syntax(pydicom.dcmread(file, force=True, stop_before_pixels=True))


def parse_dicom(data: bytes) -> Dataset:
    """Bytes to a data set; without preamble and file meta too, in the default transfer syntax (PS3.5 section 10)."""
    with decoding("This DICOM file cannot be read"):
        _refuse_deflated_bomb(data)
        return _with_syntax(pydicom.dcmread(BytesIO(data), force=True))


def _with_syntax(ds: Dataset) -> Dataset:
    if not getattr(ds, "file_meta", None):
        ds.file_meta = FileMetaDataset()
        implicit = ds.original_encoding[0]
        ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    return ds


def _refuse_deflated_bomb(data: bytes) -> None:
    """The deflated syntax (PS3.5 A.5) packs the whole data set: unpack it in pieces to see how large it becomes."""
    if DEFLATED not in data[:1024]:
        return
    meta = pydicom.filereader.read_partial(BytesIO(data), stop_when=lambda *_: True).file_meta
    start = 128 + 4 + 12 + int(meta.FileMetaInformationGroupLength)
    unpacker, total, rest = zlib.decompressobj(-zlib.MAX_WBITS), 0, data[start:]
    while rest and not unpacker.eof:
        total += len(unpacker.decompress(rest, 16 * 1024**2))
        rest = unpacker.unconsumed_tail
        refuse_oversize(total)


def decode_pixels(ds: Dataset) -> Pixels:
    """Decode every frame. UserError when there is none, when the header cannot be true, or when no decoder reads it."""
    with decoding("The header of this DICOM file does not describe an image"):
        keyword = next((k for k in PIXEL_KEYWORDS if k in ds), None)
        if keyword is None:
            raise no_image(ds)
        _refuse_impossible(ds, keyword)
    with decoding("The pixels of this DICOM file cannot be decoded"):
        decoded = _decoded(ds)
        warnings: list[str] = []
        shown = _shown(ds, decoded, warnings)
    return Pixels(decoded, shown, tuple(warnings))


def no_image(ds: Dataset) -> UserError:
    """What a DICOM object without pixels is told."""
    uid = ds.get("SOPClassUID")
    name = getattr(uid, "name", "") or "no SOP class"
    return UserError(
        "This DICOM file holds no image", str(name)[:80], "Choose files with pixels, such as CT, MR or X-ray"
    )


def transfer_syntax_name(ds: Dataset) -> str:
    uid = ds.file_meta.get("TransferSyntaxUID")
    return str(uid.name)[:80] if uid else ""


def _decoded(ds: Dataset) -> NDArray[Any]:
    syntax = ds.file_meta.TransferSyntaxUID
    if syntax in JPEG_SYNTAXES:
        refuse_bad_jpeg(ds)
    if syntax == JPEGExtended12Bit and int(ds.get("BitsStored") or 8) > 8:
        array = decode_jpeg_extended(ds)
    else:
        array = _first_that_decodes(ds, DECODERS.get(syntax, ("",)))
    frames = int(ds.get("NumberOfFrames") or 1)
    return array if frames > 1 else array[np.newaxis]


def _first_that_decodes(ds: Dataset, plugins: Sequence[str]) -> NDArray[Any]:
    for plugin in plugins[:-1]:
        try:
            return np.asarray(pixel_array(ds, decoding_plugin=plugin))
        except RuntimeError:
            continue  # What the last one says is what the reader is told.
    return np.asarray(pixel_array(ds, decoding_plugin=plugins[-1]))


def _refuse_impossible(ds: Dataset, keyword: str) -> None:
    rows, columns, frames, samples, bits = _claims(ds)
    if min(rows, columns, samples, bits) < 1 or frames < 0:
        found = f"{rows} rows, {columns} columns, {bits} bits"
        raise UserError("The header of this DICOM file does not describe an image", found, "Export it again")
    if not ds.file_meta.get("TransferSyntaxUID"):
        raise UserError(
            "This DICOM file does not say how its pixels are encoded", "no Transfer Syntax UID", "Export it again"
        )
    pixels = rows * columns * max(frames, 1) * samples
    claimed = pixels * max(1, (bits + 7) // 8)
    refuse_oversize(claimed)
    held = len(ds[keyword].value or b"")
    if ds.file_meta.TransferSyntaxUID.is_compressed and not ds.file_meta.TransferSyntaxUID.is_deflated:
        if claimed > UNCHECKED_BYTES and claimed > held * COMPRESSION_LIMIT:
            raise UserError(
                "The header of this DICOM file claims more pixels than it can hold", f"{claimed} bytes in {held}"
            )
        return
    needed = (pixels * bits + 7) // 8
    if ds.get("PhotometricInterpretation") == "YBR_FULL_422":
        needed = needed * 2 // 3
    if held < needed:
        raise UserError("The pixels of this DICOM file end early", f"{held} of {needed} bytes", "Copy the file again")


def _claims(ds: Dataset) -> tuple[int, int, int, int, int]:
    values = [ds.get(k) for k in ("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "BitsAllocated")]
    rows, columns, frames, samples, bits = (int(v) if v is not None else None for v in values)
    if rows is None or columns is None or bits is None:
        raise no_image(ds)
    return rows, columns, frames or 1, samples or 1, bits


def _shown(ds: Dataset, decoded: NDArray[Any], warnings: list[str]) -> NDArray[Any]:
    if ds.get("PhotometricInterpretation") == "PALETTE COLOR":
        return _to_bytes(apply_color_lut(decoded, ds), 0, warnings)
    if decoded.ndim == 4:
        return _to_bytes(decoded[..., :3], int(ds.get("BitsStored") or 0), warnings)
    decoded = _without_overlays(ds, decoded, warnings)
    if "ModalityLUTSequence" in ds:
        warnings.append("Pixels went through the file's own modality lookup table.")
        return np.asarray(apply_modality_lut(decoded, ds))
    return decoded


def _to_bytes(colour: NDArray[Any], bits: int, warnings: list[str]) -> NDArray[np.uint8]:
    """Colour as uint8; deeper colour keeps its upper eight bits, or is brought to the range of its own type."""
    if colour.dtype == np.uint8:
        return colour
    bits = bits or colour.dtype.itemsize * 8
    warnings.append(f"Colour was reduced from {bits} to 8 bits.")
    return (colour.astype(np.uint64) >> max(0, bits - 8)).clip(0, 255).astype(np.uint8)


def _without_overlays(ds: Dataset, decoded: NDArray[Any], warnings: list[str]) -> NDArray[Any]:
    """Mask bits above Bits Stored off when retired overlays (group 60xx with a bit position) lie in them."""
    stored, allocated = int(ds.get("BitsStored") or 0), int(ds.get("BitsAllocated"))
    embedded = any(
        ds.get((group, 0x0102)) is not None and (group, 0x3000) not in ds for group in range(0x6000, 0x6020, 2)
    )
    if not embedded or not 0 < stored < allocated or decoded.dtype.kind not in "iu":
        return decoded
    warnings.append("Overlay bits stored among the pixels were removed.")
    spare = allocated - stored
    # Shifting up and back keeps the sign of signed pixels and clears unsigned ones.
    return (decoded << spare) >> spare

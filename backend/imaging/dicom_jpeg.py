"""JPEG inside DICOM: frames are checked before any decoder sees them, and 12-bit JPEG Extended is decoded through ITK.

The C++ decoders end the whole process on some damaged streams, so what they would trip over is refused here.
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import generate_frames

from backend.domain.errors import UserError

SOF = (0xC0, 0xC1, 0xC2, 0xC3)
"""Start of frame: baseline, extended, progressive, lossless."""
SEQUENTIAL = (0xC0, 0xC1)
SOS = 0xDA
NEXT = "Export the file again from where it came"

IMAGE_PIXEL = (
    *("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "BitsAllocated", "BitsStored", "HighBit"),
    *("PixelRepresentation", "PhotometricInterpretation", "PixelData", "SOPClassUID", "SOPInstanceUID"),
)


def decode_jpeg_extended(ds: Dataset) -> NDArray[Any]:
    """Stored pixels (rows, columns) or (frames, rows, columns), decoded by ITK from a copy that holds the pixels alone.

    For 12 bits a sample (1.2.840.10008.1.2.4.51), which none of pydicom's installed decoders reads.
    """
    frames = int(ds.get("NumberOfFrames") or 1)
    copy = Dataset()
    for keyword in IMAGE_PIXEL:
        if keyword in ds:
            copy[keyword] = ds[keyword]
    copy.file_meta = FileMetaDataset()
    copy.file_meta.TransferSyntaxUID = ds.file_meta.TransferSyntaxUID
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pixels.dcm"
        copy.save_as(path, enforce_file_format=True)
        array: NDArray[Any] = sitk.GetArrayFromImage(sitk.ReadImage(str(path), imageIO="GDCMImageIO"))
    kind = np.int16 if int(ds.PixelRepresentation) else np.uint16
    shape = (int(ds.Rows), int(ds.Columns))
    return array.reshape((frames, *shape) if frames > 1 else shape).astype(kind)


def refuse_bad_jpeg(ds: Dataset) -> None:
    """UserError when a frame is not the image its DICOM header describes, or breaks the rules for its kind of scan."""
    frames = int(ds.get("NumberOfFrames") or 1)
    claimed = int(ds.Rows), int(ds.Columns), int(ds.get("SamplesPerPixel") or 1)
    for frame in generate_frames(ds.PixelData, number_of_frames=frames):
        _refuse_bad_frame(frame, claimed)


def _refuse_bad_frame(frame: bytes, claimed: tuple[int, int, int]) -> None:
    """Walk the marker segments from SOI to the first scan (ISO 10918-1 annex B)."""
    at, process = 2, 0
    while frame[:2] == b"\xff\xd8" and at + 4 <= len(frame) and frame[at] == 0xFF:
        marker, size = frame[at + 1], int.from_bytes(frame[at + 2 : at + 4], "big")
        segment = frame[at + 4 : at + 2 + size]
        if marker == 0xFF:  # A fill byte.
            at += 1
            continue
        if marker in SOF:
            process = marker
            _refuse_other_size(segment, claimed)
        if marker == SOS:
            _refuse_bad_scan(segment, process, claimed[2])
            return
        at += 2 + size
    raise UserError("The JPEG data of this file hold no picture", f"{len(frame)} bytes", NEXT)


def _refuse_other_size(segment: bytes, claimed: tuple[int, int, int]) -> None:
    found = (
        int.from_bytes(segment[1:3], "big"),
        int.from_bytes(segment[3:5], "big"),
        segment[5] if len(segment) > 5 else 0,
    )
    if found != claimed or len(segment) != 6 + 3 * found[2]:
        raise UserError(
            "The JPEG data of this file are not the image its header describes", f"{found}, not {claimed}", NEXT
        )


def _refuse_bad_scan(segment: bytes, process: int, samples: int) -> None:
    """Sequential scans have Ss = 0, Se = 63, Ah = Al = 0 (table B.3); decoders guess otherwise."""
    if not process or len(segment) < 6 or not 1 <= segment[0] <= samples or len(segment) != 4 + 2 * segment[0]:
        raise UserError("The JPEG data of this file break their standard", "a scan without a frame", NEXT)
    spectral = segment[-3:]
    if process in SEQUENTIAL and spectral != b"\x00\x3f\x00":
        raise UserError("The JPEG data of this file break their standard", f"scan parameters {spectral.hex()}", NEXT)

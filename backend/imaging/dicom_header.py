"""What a DICOM header says of an image besides its pixels. No identity leaves but through `pseudonym_source`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from backend.domain.volume import Window, WindowFunction
from backend.imaging.dicom_grid import Plane, plane_of
from backend.imaging.reading import plausible_rescale

SLICED = ("CT", "MR", "PT")
"""Modalities whose files without a position may still be slices of one volume."""
UID = re.compile(r"[0-9]+(\.[0-9]+)*")
REPEAT_KEYWORDS = (
    "TemporalPositionIdentifier",
    "DiffusionBValue",
    "EchoTime",
    "TriggerTime",
    "AcquisitionNumber",
    "AcquisitionTime",
)
"""What can tell two slices at the same place apart, the most telling first."""


@dataclass(frozen=True)
class Rescale:
    """value = decoded * slope + intercept; type: Rescale Type in upper case ("HU"), "" when the file gives none."""

    slope: float
    intercept: float
    type: str


@dataclass(frozen=True, eq=False)
class Header:
    """One file, as far as grouping into volumes needs it. repeats: values of REPEAT_KEYWORDS as text.

    projection: the file is a picture of its own when it has no position.
    """

    series_uid: str
    instance_uid: str
    number: int
    shape: tuple[int, int]
    frames: int
    spacing: tuple[float, float] | None
    plane: Plane | None
    localizer: bool
    projection: bool
    kind: str
    repeats: tuple[str, ...]


def header_of(ds: Dataset) -> Header:
    """May raise anything pydicom raises on bad values: call inside `decoding`."""
    return Header(
        uid_text(ds.get("SeriesInstanceUID")),
        uid_text(ds.get("SOPInstanceUID")),
        int(ds.get("InstanceNumber") or 0),
        (int(ds.get("Rows") or 0), int(ds.get("Columns") or 0)),
        int(ds.get("NumberOfFrames") or 1),
        pair(ds.get("PixelSpacing")),
        plane_in(ds, ds),
        "LOCALIZER" in image_type(ds),
        ds.get("Modality") not in SLICED,
        f"{ds.get('PhotometricInterpretation')} {ds.get('SamplesPerPixel')} {ds.get('Modality')}",
        tuple(str(ds.get(keyword, "")) for keyword in REPEAT_KEYWORDS),
    )


def plane_in(position: Dataset | None, orientation: Dataset | None) -> Plane | None:
    """The plane that these items (or the data set itself) describe, None without one."""
    at = position.get("ImagePositionPatient") if position is not None else None
    cosines = orientation.get("ImageOrientationPatient") if orientation is not None else None
    if at is None or cosines is None or isinstance(at, str) or isinstance(cosines, str):
        return None
    return plane_of([float(v) for v in at], [float(v) for v in cosines])


def pair(value: Any) -> tuple[float, float] | None:
    """Two positive lengths (between rows, between columns), None for anything else."""
    if value is None or isinstance(value, str) or not isinstance(value, Sequence) or len(value) != 2:
        return None
    first, second = float(value[0]), float(value[1])
    return (first, second) if 1e-6 < first < 1e4 and 1e-6 < second < 1e4 else None


def length(value: Any) -> float | None:
    """One positive length, None for anything else."""
    if value is None or value == "":
        return None
    number = abs(float(value))
    return number if 1e-6 < number < 1e4 else None


def image_type(ds: Dataset) -> tuple[str, ...]:
    value = ds.get("ImageType") or ()
    return (value.upper(),) if isinstance(value, str) else tuple(str(v).upper() for v in value)


def uid_text(value: Any) -> str:
    """The UID, "" when it is none: UIDs become keys and parts of addresses."""
    text = str(value or "")
    return text if len(text) <= 64 and UID.fullmatch(text) else ""


def code_text(value: Any) -> str:
    """A DICOM code string (PS3.5 6.2 CS) such as CT or CHEST, "" for anything else."""
    text = str(value or "").strip().upper()
    return text if re.fullmatch(r"[A-Z0-9_ ]{1,16}", text) else ""


def pseudonym_source(ds: Dataset) -> str:
    """PatientID, else PatientName, else ""."""
    return str(ds.get("PatientID") or "").strip() or str(ds.get("PatientName") or "").strip()


def description_of(ds: Dataset) -> str:
    """Study and series description on one line of at most 100 characters; "" when the patient's name is in them."""
    parts: list[str] = []
    for keyword in ("StudyDescription", "SeriesDescription"):
        text = " ".join("".join(c if c.isprintable() else " " for c in str(ds.get(keyword) or "")).split())
        if text and text not in parts:
            parts.append(text)
    text = ", ".join(parts)[:100]
    identity = f"{ds.get('PatientName') or ''} {ds.get('PatientID') or ''} {ds.get('AccessionNumber') or ''}".casefold()
    words = [w for w in re.split(r"[\s^=,;_]+", identity) if len(w) >= 3]
    return "" if any(w in text.casefold() for w in words) else text


def group_item(ds: Dataset, frame: int, keyword: str) -> Dataset | None:
    """The functional group of a frame (PS3.3 C.7.6.16): its own, else the shared one, else None."""
    for sequence, index in (("PerFrameFunctionalGroupsSequence", frame), ("SharedFunctionalGroupsSequence", 0)):
        groups = ds.get(sequence)
        if groups and index < len(groups) and groups[index].get(keyword):
            item: Dataset = groups[index][keyword].value[0]
            return item
    return None


def rescale_of(ds: Dataset, frame: int) -> Rescale | None:
    """The modality transform of a frame; None when the file gives none that can be used."""
    item = group_item(ds, frame, "PixelValueTransformationSequence") or ds
    slope, intercept = item.get("RescaleSlope"), item.get("RescaleIntercept")
    if slope in (None, "") and intercept in (None, ""):
        return None
    found = float(1 if slope in (None, "") else slope), float(intercept or 0)
    if not plausible_rescale(*found):
        return None
    return Rescale(*found, str(item.get("RescaleType") or "").upper())


def windows_of(ds: Dataset, warnings: list[str]) -> tuple[Window, ...]:
    """Every window of the file with its explanation (PS3.3 C.11.2.1.2), but for those of no width."""
    item = group_item(ds, 0, "FrameVOILUTSequence") or ds
    try:
        centres, widths = numbers(item.get("WindowCenter")), numbers(item.get("WindowWidth"))
    except (TypeError, ValueError):
        warnings.append("The file's windows are not numbers; they are left out.")
        centres, widths = [], []
    said = item.get("WindowCenterWidthExplanation")
    names = [said] if isinstance(said, str) else [str(v) for v in said or ()]
    function = str(item.get("VOILUTFunction") or "LINEAR").strip().upper()
    if function not in tuple(WindowFunction):
        warnings.append("The file's window function is not known; LINEAR is used.")
        function = "LINEAR"
    kept: list[Window] = []
    for n, (centre, width) in enumerate(zip(centres, widths, strict=False)):
        if not (np.isfinite(centre) and np.isfinite(width) and width > 0):
            warnings.append("A window of the file has no width; it is left out.")
            continue
        window = Window(
            centre, width, name=names[n].strip()[:40] if n < len(names) else "", function=WindowFunction(function)
        )
        if window not in kept:
            kept.append(window)
    if not kept and "VOILUTSequence" in item:
        kept.extend(_lut_window(item, warnings))
    return tuple(kept)


def _lut_window(item: Dataset, warnings: list[str]) -> list[Window]:
    """A window over the input range of a VOI lookup table, whose curve itself is not used."""
    entries, first, _ = (int(v) for v in item.VOILUTSequence[0].LUTDescriptor)
    entries = entries or 65536
    warnings.append("The file's VOI lookup table is shown as a straight window over the same range.")
    return [Window(first + entries / 2, float(entries), "lookup table range")]


def numbers(value: Any) -> list[float]:
    """One or several decimal strings as numbers."""
    if value is None or value == "":
        return []
    return [float(v) for v in value] if isinstance(value, Sequence) and not isinstance(value, str) else [float(value)]


def padding_of(ds: Dataset) -> int | None:
    """Pixel Padding Value (PS3.3 C.7.5.1.1.2) in decoded pixels, None without one."""
    value = ds.get("PixelPaddingValue")
    if value is None or isinstance(value, bytes | str):
        return None
    padding = int(value)
    if int(ds.get("PixelRepresentation") or 0) == 0 and padding < 0:
        return padding + 65536  # Written with the wrong sign: the value's VR follows Pixel Representation.
    return padding

"""Where the frames of one file lie and what one of its pixels measures."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset

from backend.domain.geometry import Geometry, Unit
from backend.imaging.dicom_grid import Plane, Stack, Vector, grid_affine, plane_of, stack_planes
from backend.imaging.dicom_header import group_item, image_type, length, numbers, pair, plane_in, uid_text

PROJECTIONS = ("CR", "DX", "MG", "XA", "RF", "PX", "IO", "RG")
LETTERS = {"L": (1, 0, 0), "R": (-1, 0, 0), "P": (0, 1, 0), "A": (0, -1, 0), "H": (0, 0, 1), "F": (0, 0, -1)}
CENTIMETRES = 3
"""Physical Units of an ultrasound region (PS3.3 C.8.5.5.1.15)."""


@dataclass(frozen=True)
class PixelSize:
    """Distance between rows and between columns."""

    rows: float
    columns: float
    unit: Unit


def frame_planes(ds: Dataset, frames: int) -> list[Plane] | None:
    """A plane for every frame of a multi-frame file; None when frames are not slices in space."""
    if "PerFrameFunctionalGroupsSequence" in ds:
        planes = [
            plane_in(group_item(ds, n, "PlanePositionSequence"), group_item(ds, n, "PlaneOrientationSequence"))
            for n in range(frames)
        ]
        kept = [p for p in planes if p is not None]
        return kept if len(kept) == frames else None
    first = plane_in(ds, ds)
    detectors = ds.get("DetectorInformationSequence")
    if first is None and detectors:
        first = plane_in(detectors[0], detectors[0])
    offsets = _frame_offsets(ds, frames)
    if first is None or offsets is None:
        return None
    return [Plane(first.position + first.normal * z, first.row, first.column, first.rough) for z in offsets]


def _frame_offsets(ds: Dataset, frames: int) -> list[float] | None:
    """mm along the normal: dose grids (PS3.3 C.8.8.3.2) and reconstructed nuclear medicine (C.8.4.15)."""
    grid = numbers(ds.get("GridFrameOffsetVector"))
    if len(grid) == frames:
        return [z - grid[0] for z in grid]
    between = length(ds.get("SpacingBetweenSlices"))
    if between is not None and any(t.startswith("RECON") for t in image_type(ds)):
        return [n * between for n in range(frames)]
    return None


def stack_geometry(
    planes: Sequence[Plane | None], shape: tuple[int, int], ds: Dataset, warnings: list[str]
) -> tuple[Geometry, list[int]]:
    """The grid of slices of (rows, columns) and the order of rising k. Several slices without planes keep their order.

    ds: the first slice's file, for all that is common to the series.
    """
    size = pixel_size(ds, warnings)
    kept = [p for p in planes if p is not None]
    measures = group_item(ds, 0, "PixelMeasuresSequence") or ds
    thickness = length(measures.get("SliceThickness")) or length(measures.get("SpacingBetweenSlices"))
    unsafe: list[str] = []
    if len(kept) == len(planes):
        stack = stack_planes(kept, thickness)
        _compare_spacing(stack, length(measures.get("SpacingBetweenSlices")), warnings)
    else:
        if len(planes) > 1:
            unsafe.append(_not_slices(ds, len(planes)))
        stack = Stack(list(range(len(planes))), np.array([0.0, 0.0, 1.0]), ())
    plane = kept[stack.order[0]] if len(kept) == len(planes) else _flat_plane(ds)
    step: Vector | None = stack.step if len(kept) == len(planes) else None
    if size.unit is Unit.PIXEL:
        unsafe.append("The file gives no pixel spacing, so nothing can be measured in millimetres.")
        step = step / np.linalg.norm(step) if step is not None else None
        plane = Plane(np.zeros(3), plane.row, plane.column) if plane is not None else None
    geometry = Geometry.of(
        (len(planes), *shape),
        grid_affine(plane, step, size.rows, size.columns),
        unit=size.unit,
        frame_of_reference=uid_text(ds.get("FrameOfReferenceUID")),
        unsafe=(*unsafe, *stack.unsafe),
    )
    warnings.extend(geometry.unsafe)
    return geometry, stack.order


def _compare_spacing(stack: Stack, stated: float | None, warnings: list[str]) -> None:
    found = float(np.linalg.norm(stack.step))
    if stated is not None and len(stack.order) > 1 and abs(found - stated) > 0.05 * found:
        warnings.append(
            f"The header says {stated:.4g} mm between slices, their positions say {found:.4g} mm and are used."
        )


def _not_slices(ds: Dataset, count: int) -> str:
    if int(ds.get("NumberOfFrames") or 1) != count:
        return "The files do not say where the slices lie; they are in the order of their instance numbers."
    if ds.get("Modality") == "SM":
        return "The frames are tiles of one slide, not slices."
    return "The frames are time, not space."


def _flat_plane(ds: Dataset) -> Plane | None:
    """Directions of a projection from Patient Orientation (PS3.3 C.7.6.1.1.1), None when it gives none."""
    letters = ds.get("PatientOrientation") or ()
    if isinstance(letters, str) or len(letters) != 2:
        return None
    ends = [LETTERS.get(str(v)[:1].upper()) for v in letters]
    if ends[0] is None or ends[1] is None:
        return None
    return plane_of((0.0, 0.0, 0.0), (*ends[0], *ends[1]))


def pixel_size(ds: Dataset, warnings: list[str]) -> PixelSize:
    """Pixel Spacing; else, with a warning, what a detector, film scanner or ultrasound region gives; else pixels."""
    measures = group_item(ds, 0, "PixelMeasuresSequence")
    spacing = pair(measures.get("PixelSpacing")) if measures is not None else pair(ds.get("PixelSpacing"))
    detector = pair(ds.get("ImagerPixelSpacing"))
    projection = ds.get("Modality") in PROJECTIONS
    uncorrected = spacing == detector and not ds.get("PixelSpacingCalibrationType")
    if spacing is None and detector is not None:
        spacing, uncorrected = detector, True
    if spacing is not None and projection and uncorrected:
        warnings.append("Lengths are at the detector, not in the patient: magnification is not corrected.")
    if spacing is None and (nominal := pair(ds.get("NominalScannedPixelSpacing"))) is not None:
        spacing = nominal
        warnings.append("Lengths are on the scanned film, as the scanner states them.")
    if spacing is None:
        spacing = _ultrasound_spacing(ds, warnings)
    return PixelSize(*spacing, Unit.MM) if spacing is not None else PixelSize(1.0, 1.0, Unit.PIXEL)


def _ultrasound_spacing(ds: Dataset, warnings: list[str]) -> tuple[float, float] | None:
    """mm a pixel when every two-dimensional region of the picture states the same (PS3.3 C.8.5.5)."""
    found = set()
    for region in ds.get("SequenceOfUltrasoundRegions") or ():
        if int(region.get("RegionSpatialFormat") or 0) != 1:
            continue
        units = region.get("PhysicalUnitsXDirection"), region.get("PhysicalUnitsYDirection")
        if units != (CENTIMETRES, CENTIMETRES):
            return None
        found.add((abs(float(region.PhysicalDeltaY)) * 10, abs(float(region.PhysicalDeltaX)) * 10))
    if len(found) != 1:
        return None
    warnings.append("Lengths hold inside the ultrasound region only.")
    return pair(list(found.pop()))

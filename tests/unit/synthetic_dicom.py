"""Small DICOM files for tests, written with pydicom; the patient in them is called TEST."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import CTImageStorage, EnhancedMRImageStorage, ExplicitVRLittleEndian, generate_uid

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def dataset(pixels: NDArray[Any], modality: str = "CT", **tags: Any) -> Dataset:
    """One image: pixels (rows, columns) or (frames, rows, columns), a last axis of 3 when `SamplesPerPixel` is 3."""
    samples = int(tags.get("SamplesPerPixel", 1))
    shape = pixels.shape[:-1] if samples == 3 else pixels.shape
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, generate_uid()
    ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.3", "1.2.3.4"
    ds.PatientName, ds.PatientID, ds.Modality = "TEST^PATIENT", "TEST-1", modality
    ds.Rows, ds.Columns = shape[-2:]
    if len(shape) == 3:
        ds.NumberOfFrames = shape[0]
    bits = pixels.dtype.itemsize * 8
    ds.SamplesPerPixel, ds.PhotometricInterpretation = samples, "RGB" if samples == 3 else "MONOCHROME2"
    if samples == 3:
        ds.PlanarConfiguration = 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = bits, bits, bits - 1
    ds.PixelRepresentation = 1 if pixels.dtype.kind == "i" else 0
    for keyword, value in tags.items():
        setattr(ds, keyword, value)
    if pixels.dtype.kind == "f":
        setattr(ds, "FloatPixelData" if bits == 32 else "DoubleFloatPixelData", pixels.tobytes())
    else:
        data = np.ascontiguousarray(pixels).tobytes()
        ds.PixelData = data + b"\0" * (len(data) % 2)
        ds["PixelData"].VR = "OW" if bits > 8 else "OB"
    return ds


def save(ds: Dataset, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True)
    return path


def save_stack(
    folder: Path,
    voxels: NDArray[Any],
    positions: Sequence[Sequence[float]],
    orientation: Sequence[float] = AXIAL,
    spacing: tuple[float, float] = (0.7, 0.5),
    modality: str = "CT",
    **tags: Any,
) -> list[Path]:
    """One file a slice: voxels (k, rows, columns) at these positions. The file names say nothing of the order."""
    tags = {"RescaleSlope": "1", "RescaleIntercept": "-1024"} | tags if modality == "CT" else tags
    paths = []
    for k, (pixels, position) in enumerate(zip(voxels, positions, strict=True)):
        ds = dataset(pixels, modality, **tags)
        ds.PixelSpacing, ds.SliceThickness = list(spacing), 9.0
        ds.ImagePositionPatient, ds.ImageOrientationPatient = [round(v, 9) for v in position], list(orientation)
        ds.InstanceNumber = k + 1
        paths.append(save(ds, folder / f"{(k * 7919) % 1009:04d}.dcm"))
    return paths


def functional_groups(
    positions: Sequence[Sequence[float]], orientation: Sequence[float], spacing: tuple[float, float]
) -> dict[str, Any]:
    """Tags of an enhanced multi-frame image whose frames lie at these positions (PS3.3 C.7.6.16)."""
    shared, measures, plane = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = list(spacing), 9.0
    plane.ImageOrientationPatient = list(orientation)
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = DicomSequence([measures]), DicomSequence([plane])
    frames = []
    for position in positions:
        frame, at = Dataset(), Dataset()
        at.ImagePositionPatient = [round(v, 9) for v in position]
        frame.PlanePositionSequence = DicomSequence([at])
        frames.append(frame)
    return {
        "SOPClassUID": EnhancedMRImageStorage,
        "SharedFunctionalGroupsSequence": DicomSequence([shared]),
        "PerFrameFunctionalGroupsSequence": DicomSequence(frames),
    }

"""The demo cases of a booth, written as files a hospital could have sent: DICOM, read back by the ordinary import."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import examples
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    CTImageStorage,
    ExplicitVRLittleEndian,
    generate_uid,
)

from backend.domain.volume import Volume
from backend.phantoms.chest_ct import chest_ct
from backend.phantoms.chest_xray import radiograph

RADIOGRAPH_SPACING_MM = 0.4


def write_demo(folder: Path, progress: Callable[[float, str], None]) -> list[Path]:
    """Write the procedural chest CT and radiograph, and name them with pydicom's own CT and MR examples.

    What already lies in `folder` is kept: the cases are the same every time.
    """
    progress(0.05, "making the chest CT")
    ct = folder / "chest-ct"
    if not ct.exists():
        _whole(ct, lambda part: _write_ct(part, chest_ct(seed=0).volume))
    progress(0.7, "making the radiograph")
    xray = folder / "chest-radiograph"
    if not xray.exists():
        _whole(xray, lambda part: _write_radiograph(part, radiograph(seed=7, size=1024).pixels))
    return [ct, xray, Path(str(examples.get_path("ct"))), Path(str(examples.get_path("mr")))]


def _whole(folder: Path, write: Callable[[Path], None]) -> None:
    """Write under another name first: an interrupted demo is never mistaken for a finished one."""
    part = folder.with_suffix(".part")
    part.mkdir(parents=True, exist_ok=True)
    write(part)
    part.rename(folder)


def _write_ct(folder: Path, volume: Volume) -> None:
    """One file a slice, feet first (PS3.3 C.7.6.2, C.8.2.1)."""
    geometry = volume.geometry
    study, series, frame = (_uid(f"demo ct {part}") for part in ("study", "series", "frame"))
    _, row_mm, column_mm = geometry.spacing
    direction = geometry.direction
    for k in range(geometry.shape[0]):
        image = _image(CTImageStorage, "CT", _uid(f"demo ct {k}"), study, series, volume.array[k])
        image.SeriesDescription = "chest CT, procedural, no patient"
        image.FrameOfReferenceUID = frame
        image.ImagePositionPatient = [f"{v:.4f}" for v in geometry.world((k, 0, 0))]
        image.ImageOrientationPatient = [*map(float, direction[:, 2]), *map(float, direction[:, 1])]
        image.PixelSpacing = [row_mm, column_mm]
        image.SliceThickness = geometry.spacing[0]
        image.InstanceNumber = k + 1
        image.RescaleSlope, image.RescaleIntercept, image.RescaleType = 1, 0, "HU"
        image.WindowCenter, image.WindowWidth = [-600, 40], [1500, 400]
        image.WindowCenterWidthExplanation = ["LUNG", "MEDIASTINUM"]
        image.save_as(folder / f"{k:04}.dcm", enforce_file_format=True)


def _write_radiograph(folder: Path, pixels: NDArray[np.uint8]) -> None:
    study, series = _uid("demo xray study"), _uid("demo xray series")
    image = _image(ComputedRadiographyImageStorage, "CR", _uid("demo xray"), study, series, pixels)
    image.SeriesDescription = "radiograph, procedural, no patient"
    image.ImagerPixelSpacing = [RADIOGRAPH_SPACING_MM, RADIOGRAPH_SPACING_MM]
    image.ViewPosition = "PA"
    image.save_as(folder / "0001.dcm", enforce_file_format=True)


def _image(sop_class: str, modality: str, uid: str, study: str, series: str, pixels: NDArray[np.generic]) -> Dataset:
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID = sop_class
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID = uid
    image.StudyInstanceUID, image.SeriesInstanceUID = study, series
    image.Modality, image.BodyPartExamined = modality, "CHEST"
    image.PatientName, image.PatientID = "Phantom^Overread", f"phantom-{modality.lower()}"
    image.StudyDescription = "Demo"
    image.set_pixel_data(np.ascontiguousarray(pixels), "MONOCHROME2", pixels.dtype.itemsize * 8)
    return image


def _uid(name: str) -> str:
    """The same name gives the same UID, so that importing the demo twice adds nothing."""
    return str(generate_uid(entropy_srcs=["overread", name]))

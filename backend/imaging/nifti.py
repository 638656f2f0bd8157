"""NIfTI-1 and NIfTI-2 files (.nii, .nii.gz) to volumes. RAS exists here and in backend.export.nifti alone."""

import gzip
import zlib
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from backend.domain.errors import UserError
from backend.domain.geometry import Geometry, Unit
from backend.domain.volume import Quantity, Volume
from backend.imaging.modality import guess_modality
from backend.imaging.reading import (
    ReadSeries,
    decoded_of,
    decoding,
    derived_uid,
    pixels_uid,
    plausible_rescale,
    read_bytes,
    refuse_oversize,
    source_of,
    title_of,
    value_range,
)
from backend.imaging.stored import percentile_window, to_stored

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
HEADER_BYTES = 540
MILLIMETRES = {"unknown": 1.0, "mm": 1.0, "meter": 1000.0, "micron": 0.001}


def read_nifti(path: Path) -> ReadSeries:
    """One file, whole. The array is the file's own grid in the order (k, j, i) = the file's (z, y, x).

    The modality is guessed from the values (backend.imaging.modality), and a warning says so.
    """
    data = read_bytes(path)
    image = _parse(_unpacked(data))
    stored, colour, whole_range, warnings = _pixels(image)
    decoded = replace(decoded_of(stored, stored.shape), minimum=whole_range[0], maximum=whole_range[1])
    slope, intercept = _rescale(image, warnings)
    geometry = _geometry(image, stored.shape[:3], warnings)
    series_uid, study_uid = pixels_uid(decoded.sha256), derived_uid("study", decoded.sha256)
    source = (source_of(path, data),)
    if colour:
        volume = Volume(stored, geometry, Quantity.COLOUR, warnings=tuple(warnings))
        return ReadSeries(volume, series_uid, study_uid, "OT", "", title_of(path), "", decoded, source)
    modality = guess_modality(stored, slope, intercept, path.name, warnings)
    fitted = to_stored(stored, keep_bytes=modality != "CT")
    slope, intercept = fitted.through(slope, intercept)
    windows = () if modality == "CT" else (percentile_window(fitted.array, slope, intercept, fitted.missing),)
    volume = Volume(
        fitted.array,
        geometry,
        Quantity.HU if modality == "CT" else Quantity.ONE,
        slope,
        intercept,
        windows,
        padding=fitted.missing,
        warnings=(*warnings, *fitted.warnings),
    )
    return ReadSeries(volume, series_uid, study_uid, modality, "", title_of(path), "", decoded, source)


def _unpacked(data: bytes) -> bytes:
    """The plain file; a compressed one is unpacked no further than its own header says it reaches."""
    packed = data[:2] == b"\x1f\x8b"
    what = "This NIfTI file is damaged: it ends early or its compression is broken"
    try:
        stream = gzip.GzipFile(fileobj=BytesIO(data)) if packed else BytesIO(data)
        head = stream.read(HEADER_BYTES)
        needed = _claimed_bytes(head)
        plain = head + stream.read(max(0, needed - len(head)))
        if packed:
            stream.read(1)  # At the end of the stream this checks its CRC.
    except (EOFError, OSError, zlib.error) as error:
        raise UserError(what, str(error)[:120], "Copy the file again from where it came") from error
    if len(plain) < needed:
        raise UserError(what, f"{len(plain)} of {needed} bytes", "Copy the file again from where it came")
    return plain


def _claimed_bytes(head: bytes) -> int:
    """Where the pixels end, from the header alone; refuses a size no file can mean."""
    with decoding("The header of this NIfTI file cannot be read"):
        header = nib.Nifti2Header(head, check=False) if _is_nifti2(head) else nib.Nifti1Header(head[:348], check=False)
        shape = [int(n) for n in header["dim"][1 : int(header["dim"][0]) + 1]]
        offset, item = float(header["vox_offset"]), header.get_data_dtype().itemsize
    if not 2 <= len(shape) <= 7 or min(shape) < 1 or not 0 <= offset < 2**40:
        raise UserError("The header of this NIfTI file gives no usable size", f"dimensions {shape}")
    claimed: int = item
    for n in shape:
        claimed *= n
    refuse_oversize(claimed)
    return int(offset) + claimed


def _is_nifti2(head: bytes) -> bool:
    return head[:4] in (b"\x1c\x02\x00\x00", b"\x00\x00\x02\x1c")


def _parse(plain: bytes) -> Any:
    with decoding("This NIfTI file cannot be read"):
        image_class = nib.Nifti2Image if _is_nifti2(plain) else nib.Nifti1Image
        return image_class.from_bytes(plain)


def _pixels(image: Any) -> tuple[NDArray[Any], bool, tuple[float, float], list[str]]:
    """Stored pixels (k, j, i[, 3]) before scaling, whether they are colour, the whole file's range, and warnings."""
    warnings: list[str] = []
    with decoding("The pixels of this NIfTI file cannot be read"):
        array = np.asarray(image.dataobj.get_unscaled())
    if array.dtype.names:
        names = [n for n in ("R", "G", "B") if n in array.dtype.names]
        if len(names) != 3:
            raise UserError("This NIfTI file has a pixel type that is not an image", str(array.dtype))
        array = np.stack([array[n] for n in names], axis=-1)
        colour = True
    else:
        colour = False
        if array.dtype.kind not in "biuf":
            raise UserError(
                "This NIfTI file holds complex numbers", str(array.dtype), "Save its magnitude as real numbers"
            )
    whole_range = value_range(array)
    depth = array.ndim - (1 if colour else 0)
    if depth == 2:
        array = array[:, :, np.newaxis]
    if depth > 3:
        points = int(np.prod(array.shape[3:depth]))
        if points > 1:
            warnings.append(f"The file holds {points} time points or channels; the first is shown.")
        array = array[(slice(None),) * 3 + (0,) * (depth - 3)]
    return np.ascontiguousarray(np.swapaxes(array, 0, 2)), colour, whole_range, warnings


def _rescale(image: Any, warnings: list[str]) -> tuple[float, float]:
    """scl_slope and scl_inter; a slope of 0 or NaN means none (NIfTI-1 standard)."""
    # nibabel moves the file's own rule from the header to the data proxy when it opens the file.
    slope, intercept = float(image.dataobj.slope), float(image.dataobj.inter)
    if not plausible_rescale(slope, 0.0):
        return 1.0, 0.0
    if not plausible_rescale(slope, intercept):
        warnings.append("The header's intercept is not a usable number; 0 is used.")
        intercept = 0.0
    return slope, intercept


def _geometry(image: Any, shape: tuple[int, ...], warnings: list[str]) -> Geometry:
    """sform when its code is above 0, else qform, else the voxel size alone with a warning."""
    header = image.header
    with decoding("The orientation in this NIfTI header cannot be read"):
        affine = _ras_affine(image, header, warnings)
        space, _ = header.get_xyzt_units()
    scale = MILLIMETRES.get(space, 1.0)
    if scale != 1.0:
        warnings.append(f"The header gives lengths in {space}; they are shown in millimetres.")
        affine = np.diag([scale, scale, scale, 1.0]) @ affine
    lps = RAS_TO_LPS @ affine
    return Geometry.of(shape[:3], lps[:, [2, 1, 0, 3]], unit=Unit.MM)  # type: ignore[arg-type]


def _ras_affine(image: Any, header: Any, warnings: list[str]) -> NDArray[np.float64]:
    sform, s_code = header.get_sform(coded=True)
    qform, q_code = header.get_qform(coded=True)
    if s_code and _usable(sform):
        if q_code and _usable(qform) and not np.allclose(sform, qform, atol=0.1):
            warnings.append("The header's two orientations (sform and qform) differ; the sform is used.")
        return np.asarray(sform, dtype=np.float64)
    if s_code:
        warnings.append("The header's sform cannot be used: its axes are not independent.")
    if q_code and _usable(qform):
        return np.asarray(qform, dtype=np.float64)
    warnings.append("The file does not say how it lies in the patient: left and right, front and back are not known.")
    base = np.asarray(header.get_base_affine(), dtype=np.float64)
    if _usable(base):
        return base
    raise UserError("The header of this NIfTI file gives no voxel size", str(header["pixdim"][1:4].tolist()))


def _usable(affine: Any) -> bool:
    return affine is not None and bool(np.isfinite(affine).all()) and abs(float(np.linalg.det(affine[:3, :3]))) > 1e-9

"""DICOM files to volumes: grouped by series, split where one grid cannot hold them, sorted by position."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from backend.domain.errors import UserError
from backend.domain.geometry import Geometry
from backend.domain.volume import Quantity, Volume
from backend.imaging.dicom_frames import stack_geometry
from backend.imaging.dicom_header import (
    Header,
    Rescale,
    code_text,
    description_of,
    header_of,
    image_type,
    padding_of,
    pseudonym_source,
    uid_text,
    windows_of,
)
from backend.imaging.dicom_pixels import no_image, parse_header
from backend.imaging.dicom_series import Member, Part, parts_of
from backend.imaging.dicom_slices import LoadedFile, Slices, load_file
from backend.imaging.reading import Progress, ReadSeries, Refusal, decoding, derived_uid, pixels_uid, plausible_rescale
from backend.imaging.stored import percentile_window, to_stored

HEADER_SHARE = 0.1
"""Share of the progress that reading headers is given."""


def read_dicom(paths: Sequence[Path], progress: Progress) -> Iterator[ReadSeries | Refusal]:
    """Every volume in these files, and a Refusal for every file that cannot be read while the rest goes on."""
    members: list[Member] = []
    for n, path in enumerate(paths):
        progress(HEADER_SHARE * n / len(paths), "reading headers")
        try:
            members.append(Member(path, _header(path)))
        except UserError as error:
            yield Refusal(path, error)
    done = 0
    for part in parts_of(members):
        slices, lost, copies = Slices(len(part.members)), 0, 0
        for member, loading in _loaded_ahead(part.members):
            progress(HEADER_SHARE + (1 - HEADER_SHARE) * done / len(members), "reading pixels")
            done += 1
            try:
                copies += not slices.add(loading.result())
            except UserError as error:
                lost += 1
                yield Refusal(member.path, error)
        if slices.first is None:
            continue
        try:
            yield _assembled(part, slices, slices.first, lost, copies)
        except UserError as error:
            yield Refusal(part.members[0].path, error)


def _loaded_ahead(members: Sequence[Member]) -> Iterator[tuple[Member, Future[LoadedFile]]]:
    """Each file while the next one is read and hashed in a second thread."""
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(load_file, members[0].path)
        for n, member in enumerate(members):
            current = following
            if n + 1 < len(members):
                following = pool.submit(load_file, members[n + 1].path)
            yield member, current


def _header(path: Path) -> Header:
    ds = parse_header(path)
    with decoding("The header of this DICOM file cannot be read"):
        if "Rows" not in ds and "Columns" not in ds:
            raise no_image(ds)
        return header_of(ds)


def _assembled(part: Part, slices: Slices, ds: Dataset, lost: int, copies: int) -> ReadSeries:
    """Slices to one volume with its meaning. ds: the first slice's file, for all that is common to the series."""
    warnings = [*part.warnings, *slices.warnings]
    if lost:
        warnings.append(
            f"{lost} of {len(part.members)} files of this series could not be read and are missing from it."
        )
    if copies:
        warnings.append(f"Files left out as copies of another one: {copies}.")
    array = slices.array
    with decoding("The header of this DICOM file cannot be read"):
        geometry, order = stack_geometry(slices.planes, array.shape[1:3], ds, warnings)
        modality = code_text(ds.get("Modality")) or "OT"
        if order != list(range(len(order))):
            array = array[order]
        rescales = [slices.rescales[n] for n in order]
        if array.ndim == 4:
            volume = Volume(np.ascontiguousarray(array), geometry, Quantity.COLOUR, warnings=tuple(warnings))
        else:
            volume = _grey_volume(array, geometry, rescales, ds, warnings)
        decoded = slices.decoded()
        series_uid = part.series_uid or pixels_uid(decoded.sha256)
        return ReadSeries(
            volume,
            series_uid,
            uid_text(ds.get("StudyInstanceUID")) or derived_uid("study", series_uid),
            modality,
            code_text(ds.get("BodyPartExamined")),
            description_of(ds),
            pseudonym_source(ds),
            decoded,
            tuple(slices.sources),
        )


def _grey_volume(
    array: NDArray[Any], geometry: Geometry, rescales: list[Rescale | None], ds: Dataset, warnings: list[str]
) -> Volume:
    quantity = _quantity(rescales, ds, warnings)
    array, slope, intercept = _common_rescale(array, rescales, ds, warnings)
    fitted = to_stored(array, keep_bytes=quantity is not Quantity.HU)
    warnings.extend(fitted.warnings)
    padding = None if "ModalityLUTSequence" in ds else fitted.of_decoded(padding_of(ds))
    if fitted.missing is not None:
        padding = fitted.missing
    slope, intercept = fitted.through(slope, intercept)
    windows = windows_of(ds, warnings)
    if not windows and quantity is not Quantity.HU:
        windows = (percentile_window(fitted.array, slope, intercept, padding),)
    return Volume(
        fitted.array,
        geometry,
        quantity,
        slope,
        intercept,
        windows,
        inverted=ds.get("PhotometricInterpretation") == "MONOCHROME1",
        padding=padding,
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _quantity(rescales: list[Rescale | None], ds: Dataset, warnings: list[str]) -> Quantity:
    """HU for CT with a rescale in Hounsfield units (PS3.3 C.8.2.1.1.2), localizers left out; else arbitrary units."""
    if ds.get("Modality") != "CT" or "LOCALIZER" in image_type(ds):
        return Quantity.ONE
    if any(r is None for r in rescales):
        warnings.append("The file gives no rescale, so its values are not Hounsfield units.")
        return Quantity.ONE
    return Quantity.HU if all(r is not None and r.type in ("", "HU") for r in rescales) else Quantity.ONE


def _common_rescale(
    array: NDArray[Any], rescales: list[Rescale | None], ds: Dataset, warnings: list[str]
) -> tuple[NDArray[Any], float, float]:
    """Pixels with the one slope and intercept that holds for all; slices that differ in it are rescaled here."""
    if ds.get("Modality") == "RTDOSE" and plausible_rescale(float(ds.get("DoseGridScaling") or 0), 0.0):
        return array, float(ds.DoseGridScaling), 0.0
    if "ModalityLUTSequence" in ds:
        return array, 1.0, 0.0
    rules = [(r.slope, r.intercept) if r is not None else (1.0, 0.0) for r in rescales]
    if len(set(rules)) == 1:
        return array, *rules[0]
    warnings.append("The slices have rescale rules of their own; all were brought to one scale.")
    values = np.empty(array.shape, np.float32)
    for k, (slope, intercept) in enumerate(rules):
        np.multiply(array[k], slope, out=values[k], casting="unsafe")
        values[k] += np.float32(intercept)
    return values, 1.0, 0.0

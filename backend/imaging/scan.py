"""Files and folders to volumes. What a file is follows from its content, never from its name alone."""

import gzip
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from enum import StrEnum
from io import BytesIO
from os import walk
from pathlib import Path

from backend.domain.errors import UserError
from backend.imaging.reading import Progress, ReadSeries, Refusal

__all__ = ["Format", "Progress", "ReadSeries", "Refusal", "find_files", "read_series", "sniff"]

SIDECARS = {
    *(".json", ".csv", ".tsv", ".txt", ".md", ".xml", ".html", ".pdf", ".yaml", ".yml", ".log", ".ini"),
    *(".bval", ".bvec", ".raw", ".zraw", ".hea", ".atr", ".dat", ".py", ".zip"),
}
"""In a folder these stand beside images and are passed over; the pixels of a detached header are read through it."""

HEAD_BYTES = 4096


class Format(StrEnum):
    DICOM = "DICOM"
    NIFTI = "NIfTI"
    ITK = "NRRD or MetaImage"
    RASTER = "PNG or JPEG"


SUFFIXES = {
    Format.DICOM: (".dcm", ".dicom", ".ima"),
    Format.NIFTI: (".nii",),
    Format.ITK: (".nrrd", ".mha", ".mhd"),
    Format.RASTER: (".png", ".jpg", ".jpeg"),
}


def find_files(paths: Sequence[Path], passed_over: list[Path] | None = None) -> Iterator[Path]:
    """Files given by name, and those in folders, recursive and sorted, each once.

    In folders hidden files, DICOMDIR and sidecars are left out; `passed_over` collects the sidecars. Links to
    folders are not followed.
    """
    seen: set[Path] = set()
    for given in paths:
        for path in _files_in(given, passed_over) if given.is_dir() else (given,):
            absolute = path.absolute()
            if absolute not in seen:
                seen.add(absolute)
                yield path


def _files_in(folder: Path, passed_over: list[Path] | None) -> Iterator[Path]:
    for at, folders, names in walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for name in sorted(names):
            path = Path(at, name)
            if name.startswith(".") or name.upper() == "DICOMDIR" or not path.is_file():
                continue
            if path.suffix.lower() in SIDECARS:
                if passed_over is not None:
                    passed_over.append(path)
                continue
            yield path


def sniff(path: Path) -> Format:
    """What the first bytes say the file is; UserError when it is nothing that can be read here."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        raise UserError(
            "This file cannot be opened", error.strerror or "", "Check that it is there and readable"
        ) from None
    if not head:
        raise UserError("This file is empty", "0 bytes", "Copy it again from where it came")
    if head[128:132] == b"DICM":
        return Format.DICOM
    if head.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")):
        return Format.RASTER
    if head.startswith(b"NRRD000") or _is_metaimage(head):
        return Format.ITK
    if _is_nifti(_unpacked_head(head)):
        return Format.NIFTI
    if _is_bare_dicom(head):
        return Format.DICOM
    raise UserError(
        "This is not a file that Overread reads",
        f"{path.suffix or 'no suffix'}, beginning with {head[:8].hex(' ')}",
        "Give DICOM, NIfTI, NRRD, MetaImage, PNG or JPEG",
    )


def read_series(paths: Sequence[Path], progress: Progress) -> Iterator[ReadSeries | Refusal]:
    """Read everything in these files and folders, one result a volume or refused file, as each is ready.

    DICOM files are grouped into series; every other file is an image of its own. progress: see `Progress`.
    """
    dicom: list[Path] = []
    others: list[tuple[Path, Format]] = []
    for path in find_files(paths):
        try:
            kind = sniff(path)
        except UserError as error:
            yield Refusal(path, error)
            continue
        if kind is Format.DICOM:
            dicom.append(path)
        else:
            others.append((path, kind))
    total = len(dicom) + len(others)
    for n, (path, kind) in enumerate(others):
        progress(n / total, f"reading {kind}")
        try:
            yield _named_rightly(_reader(kind)(path), path, kind)
        except UserError as error:
            yield Refusal(path, error)
    if dicom:
        from backend.imaging.dicom import read_dicom

        yield from read_dicom(dicom, lambda part, word: progress((len(others) + part * len(dicom)) / total, word))
    progress(1.0, "done")


def _reader(kind: Format) -> Callable[[Path], ReadSeries]:
    """Imported when first needed: the web process loads this module and must stay light."""
    if kind is Format.NIFTI:
        from backend.imaging.nifti import read_nifti

        return read_nifti
    if kind is Format.ITK:
        from backend.imaging.itk import read_itk

        return read_itk
    from backend.imaging.raster import read_raster

    return read_raster


def _named_rightly(read: ReadSeries, path: Path, kind: Format) -> ReadSeries:
    """The same with a warning when the name promises another format: somebody mistook the file for something else."""
    name = path.name.lower()
    suffix = ".nii" if name.endswith(".nii.gz") else path.suffix.lower()
    promised = next((k for k, suffixes in SUFFIXES.items() if suffix in suffixes), kind)
    if promised is kind:
        return read
    said = f"The name ends in {suffix}, but the content is {kind}."
    return replace(read, volume=replace(read.volume, warnings=(said, *read.volume.warnings)))


def _is_metaimage(head: bytes) -> bool:
    start = head.lstrip()[:64]
    return start.startswith((b"ObjectType", b"NDims", b"Comment")) and b"=" in start and b"DimSize" in head


def _unpacked_head(head: bytes) -> bytes:
    if not head.startswith(b"\x1f\x8b"):
        return head
    try:
        return gzip.GzipFile(fileobj=BytesIO(head)).read(348)
    except (EOFError, OSError, zlib.error):
        return b""


def _is_nifti(head: bytes) -> bool:
    """Single-file NIfTI-1 (magic "n+1") or NIfTI-2 ("n+2"), either byte order; header and image pairs are not read."""
    if head[344:348] == b"ni1\0":
        raise UserError(
            "This NIfTI header keeps its pixels in another file", ".hdr and .img", "Save it as one .nii file"
        )
    return head[344:348] == b"n+1\0" or head[4:8] == b"n+2\0"


def _is_bare_dicom(head: bytes) -> bool:
    """DICOM without preamble: it begins with an element of group 2 or 8 whose length is small."""
    group, element = int.from_bytes(head[0:2], "little"), int.from_bytes(head[2:4], "little")
    if group not in (0x0002, 0x0008) or len(head) < 16 or element > 0x0100:
        return False
    explicit = head[4:6].isalpha() and head[4:6].isupper()
    return explicit or int.from_bytes(head[4:8], "little") <= 256

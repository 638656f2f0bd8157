"""From decisions to files: masks on their image's own grid, and training pairs."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from backend.domain.correction import Correction
from backend.domain.region import Mask
from backend.domain.review import Act, Finding
from backend.export import jsonl
from backend.export.nifti import nifti_original, save_mask
from backend.imaging.mask import read_mask
from ui.library import Library

STANDING = (Act.ACCEPT, Act.EDIT, Act.ADD)


def export_corrections(library: Library, out: Path, reader: str) -> list[Path]:
    """corrections.jsonl: one line a decision that stands; the whole history stays in the store."""
    path = out / "corrections.jsonl"
    jsonl.save(path, _corrections(library, reader))
    return [path]


def export_masks(library: Library, out: Path, reader: str) -> list[Path]:
    """One .nii.gz a mask that stands, and masks.jsonl that says whose word each is. Folders carry pseudonyms only."""
    written: list[Path] = []
    lines: list[str] = []
    for correction in _corrections(library, reader):
        finding = correction.value
        if correction.act not in STANDING or not isinstance(finding, Finding):
            continue
        series = library.store.series(finding.series_uid)
        pseudonym = library.store.study(series.study_uid).pseudonym
        folder = out / pseudonym / f"{series.modality}-{series.pixels_sha256[:8]}" / _plain(correction.reader)
        for mask in finding.masks:
            path = folder / f"{_plain(finding.code.meaning)}-{mask.sha256[:8]}.nii.gz"
            folder.mkdir(parents=True, exist_ok=True)
            voxels = read_mask(library.masks, mask, series.geometry.shape)
            save_mask(
                path, voxels, series.geometry, like=nifti_original([Path(source.path) for source in series.sources])
            )
            written.append(path)
            lines.append(json.dumps(_line(path.relative_to(out), correction, finding, mask), ensure_ascii=False))
    listing = out / "masks.jsonl"
    listing.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return [*written, listing]


def _corrections(library: Library, reader: str) -> Iterator[Correction]:
    return (one for one in library.store.corrections() if not reader or one.reader == reader)


def _line(path: Path, correction: Correction, finding: Finding, mask: Mask) -> dict[str, object]:
    return {
        "file": path.as_posix(),
        "subject": correction.subject,
        "finding": finding.code.meaning,
        "act": correction.act,
        "reader": correction.reader,
        "series_uid": finding.series_uid,
        "mask_sha256": mask.sha256,
        "pixels_sha256": correction.pixels_sha256,
    }


def _plain(text: str) -> str:
    """A name that every file system takes."""
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-").lower()[:60] or "unnamed"

"""Findings and series in clinical English: pure, deterministic, and never more than was measured."""

import math
import re
from collections.abc import Sequence

from backend.domain.geometry import Geometry, Unit
from backend.domain.region import Mask
from backend.domain.review import Finding, Measurement
from backend.domain.study import Series

SIDES = ("right", "left")
# A meaning made of these words alone names normal anatomy: described by volume, not by its longest diameter.
ANATOMY = (
    *("lung", "lungs", "body", "bone", "bones", "skeleton", "trachea", "airway", "airways", "heart", "mediastinum"),
    *("liver", "spleen", "kidney", "kidneys", "brain", "aorta", "pancreas", "bladder", "stomach", "muscle", "fat"),
    *("diaphragm", "spine", "vertebra", "rib", "ribs", "clavicle", "field", "fields", "skin", "breast", "prostate"),
    *("right", "left", "both", "upper", "middle", "lower", "lobe", "air", "filled", "whole", "total", "of", "the"),
)
# DICOM PS3.3 C.7.3.1.1.1, the modalities that a report names in other words than their code.
MODALITIES = (
    *(("CT", "CT"), ("MR", "MR imaging"), ("PT", "PET"), ("US", "Ultrasound"), ("DX", "Radiograph")),
    *(("CR", "Radiograph"), ("MG", "Mammogram"), ("XA", "Angiogram"), ("RF", "Fluoroscopy"), ("NM", "Scintigram")),
)
LENGTHS = ("mm", "mL")


def upper_first(text: str) -> str:
    return text[:1].upper() + text[1:]


def lower_first(text: str) -> str:
    """For the middle of a sentence; abbreviations ("CT") stay."""
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


def side_of(finding: Finding) -> str:
    """ "right", "left" or "": from the meaning, else from the site."""
    for words in (_words(finding.code.meaning), _words(finding.site)):
        sides = [side for side in SIDES if side in words]
        if len(sides) == 1:
            return sides[0]
    return ""


def without_side(meaning: str) -> str:
    """ "Air-filled right lung" -> "Air-filled lung"."""
    kept = [word for word in meaning.split() if word.lower() not in SIDES]
    return upper_first(" ".join(kept))


def is_anatomy(finding: Finding) -> bool:
    """Whether it names a normal structure rather than something found in one."""
    words = _words(finding.code.meaning)
    return bool(words) and all(word in ANATOMY for word in words)


def name(finding: Finding) -> str:
    """ "Air-filled right lung", "Nodule in the right upper zone", "Marked region in the left lower zone"."""
    meaning = finding.code.meaning.strip()
    if meaning.lower() in ("", "region"):
        meaning = "Marked region"
    site = finding.site.strip()
    if not site or all(word in _words(meaning) for word in _words(site)):
        return upper_first(meaning)
    if site.lower() in (*SIDES, "bilateral"):
        return upper_first(f"{site} {lower_first(meaning)}")
    if site.lower().startswith(("in ", "at ", "on ", "the ", "near ", "both ", "within ")):
        joint = "in " if site.lower().startswith(("the ", "both ")) else ""
        return upper_first(f"{meaning} {joint}{site}")
    return upper_first(f"{meaning} in the {lower_first(site)}")


def measured(finding: Finding, geometry: Geometry | None) -> list[str]:
    """What was measured, in words, as far as the grid supports it; geometry None: the series is not known."""
    anatomy = is_anatomy(finding)
    said = [] if anatomy else [_diameter(m, finding, geometry) for m in _named(finding, "diameter")[:1]]
    said += [_volume(m, geometry) for m in _named(finding, "volume")[:1]]
    said += [_extents(_named(finding, "extent"), geometry)]
    said += [_area(m) for m in _named(finding, "area")[:1]]
    said += [_mean(m) for m in _named(finding, "mean")[:1]]
    return [text for text in said if text]


def technique(series: Series) -> str:
    """One sentence from the facts of a series."""
    grid, slices = series.geometry, series.geometry.shape[0]
    what = dict(MODALITIES).get(series.modality, "Image")
    part = series.body_part.strip().lower()
    subject = f"{what} of the {part}" if re.fullmatch(r"[a-z]+( [a-z]+)*", part) else what
    if series.modality == "CT" or slices > 1:
        word = "slice" if series.modality in ("CT", "MR", "PT") else "image"
        subject += f", {slices} {word}{'' if slices == 1 else 's'}"
    if grid.unit is Unit.PIXEL:
        return f"{subject}, not calibrated: no lengths are given."
    if grid.unsafe:
        return f"{subject}; no measurement across slices is given: {lower_first(grid.unsafe[0].rstrip('.'))}."
    if slices > 1:
        return f"{subject}, {_spacing(grid.spacing[0])} mm apart."
    return f"{subject}, pixel spacing {_spacing(grid.spacing[1])} mm."


def listed(items: Sequence[str]) -> str:
    """Commas between measurements."""
    return ", ".join(items)


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())


def _named(finding: Finding, word: str) -> list[Measurement]:
    return [m for m in finding.measurements if word in _words(m.name) and math.isfinite(m.value)]


def _is_calibrated(measurement: Measurement, geometry: Geometry | None) -> bool:
    """Millimetres are said only where the grid is in millimetres."""
    return measurement.unit not in LENGTHS or (geometry is not None and geometry.unit is Unit.MM)


def _diameter(m: Measurement, finding: Finding, geometry: Geometry | None) -> str:
    if m.unit not in ("mm", "px") or m.value <= 0 or not _is_calibrated(m, geometry):
        return ""
    boxes = [region.box if isinstance(region, Mask) else region for region in finding.regions]
    across = any(box.k0 < box.k1 for box in boxes)
    if geometry is not None and geometry.unsafe and across:
        return ""
    spacing = max(geometry.spacing[0 if across else 1 :]) if geometry is not None else 1.0
    tenths = m.unit == "mm" and m.value < 10 and spacing <= 0.5
    number = f"{m.value:.1f}" if tenths else f"{max(1, _round(m.value))}"
    return f"{number} {m.unit} longest diameter"


def _volume(m: Measurement, geometry: Geometry | None) -> str:
    """Litres from 1000 mL on, else mL, to two figures and never finer than one voxel."""
    if m.unit != "mL" or m.value <= 0 or geometry is None or not _is_calibrated(m, geometry) or geometry.unsafe:
        return ""
    if _round(m.value) >= 1000:
        return f"volume {m.value / 1000:.1f} L"
    voxel = math.floor(-math.log10(geometry.voxel_volume / 1000))  # decimals of a mL that one voxel can fill
    decimals = max(0, min(voxel, 1 - math.floor(math.log10(m.value))))
    rounded = f"{m.value:.{decimals}f}"
    return f"volume {rounded} mL" if float(rounded) > 0 else f"volume less than {10**-decimals:g} mL"


def _extents(sides: list[Measurement], geometry: Geometry | None) -> str:
    """A box, longest side first, to the millimetre."""
    if not sides or not all(_is_calibrated(m, geometry) and m.value > 0 for m in sides):
        return ""
    numbers = " × ".join(str(max(1, _round(m.value))) for m in sorted(sides, key=lambda m: -m.value))
    return f"box of {numbers} {sides[0].unit}"


def _area(m: Measurement) -> str:
    """A projected area, in cm² as radiologists say it."""
    return f"area {_round(m.value / 100)} cm²" if m.unit == "mm2" and m.value >= 100 else ""


def _mean(m: Measurement) -> str:
    if m.unit == "HU":
        return f"mean {_round(m.value)} HU"
    return f"mean SUVbw {m.value:.1f}" if m.unit == "SUVbw" else ""


def _round(value: float) -> int:
    """Half away from zero, as people round."""
    return int(math.copysign(math.floor(abs(value) + 0.5), value))


def _spacing(millimetres: float) -> str:
    return f"{millimetres:.2f}".rstrip("0").rstrip(".")

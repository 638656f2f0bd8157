"""What a worker can be asked to do. Arguments and results are JSON; values live between."""

import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.domain import wire
from backend.domain.errors import UserError
from backend.domain.geometry import Shape
from backend.domain.region import Box3D, Mask
from backend.domain.review import Finding, Spot
from backend.domain.study import Series, Study
from backend.domain.volume import Volume
from backend.experts import registry
from backend.experts.card import Abstention, Draft, Progress, Prompt, SpotDraft, version_of
from backend.imaging.cache import open_cache
from backend.imaging.mask import read_mask, write_mask

Arguments = Mapping[str, Any]
Item = Callable[..., None]
Call = Callable[[Arguments, Progress, Item], dict[str, Any]]


def propose(arguments: Arguments, progress: Progress, item: Item) -> dict[str, Any]:
    """Run one expert on one series; items: {"kind", "value"}. Masks are written to the `masks` folder as they come."""
    series = wire.series_from_json(arguments["series"])
    expert = registry.expert(arguments["expert"])
    registry.admit(expert.card, series)
    volume = open_cache(Path(arguments["voxels"]), series)
    masks = Path(arguments["masks"])
    notes = []
    progress(0.0, "starting")
    for drafted in expert.propose(volume, Prompt(), progress):
        if isinstance(drafted, Abstention):
            notes.append(drafted.reason)
        elif isinstance(drafted, SpotDraft):
            spot = Spot(series.series_uid, drafted.point, drafted.diameter_mm, drafted.score)
            item(kind="spot", value=wire.value_to_json(spot))
        else:
            item(kind="finding", value=wire.value_to_json(_finding(drafted, series, volume, masks)))
    return {"model": wire.model_to_json(version_of(expert)), "notes": notes}


def prompt(arguments: Arguments, progress: Progress, item: Item) -> dict[str, Any]:
    """Segment what a reader marked: {"mask", "measurements", "site", "milliseconds", "model"}."""
    from backend.measure.region import measure_mask

    series = wire.series_from_json(arguments["series"])
    masks = Path(arguments["masks"])
    start = wire.mask_from_json(arguments.get("start"))
    asked = Prompt(
        wire.points_from_json(arguments["points"]),
        wire.box_from_json(arguments.get("box")),
        read_mask(masks, start, series.geometry.shape) if start is not None else None,
    )
    volume = _opened(Path(arguments["voxels"]), series)
    expert = registry.expert("PROMPT")
    started = time.monotonic()
    drafted = next(iter(expert.propose(volume, asked, progress)))
    assert isinstance(drafted, Draft)
    assert drafted.mask is not None
    milliseconds = (time.monotonic() - started) * 1000
    mask = write_mask(masks, drafted.mask)
    return {
        "mask": wire.region_to_json(mask),
        "measurements": wire.measurements_to_json(measure_mask(drafted.mask, volume)),
        "site": drafted.site or _site(mask.box, series, arguments),
        "milliseconds": round(milliseconds, 1),
        "model": wire.model_to_json(version_of(expert)),
    }


def measure(arguments: Arguments, progress: Progress, item: Item) -> dict[str, Any]:
    """Sizes and site of a box that a reader drew: {"measurements", "site"}."""
    from backend.measure.region import measure_box

    series = wire.series_from_json(arguments["series"])
    box = wire.box_from_json(arguments["box"])
    if box is None or not box.within(series.geometry.shape):
        raise UserError("The box reaches outside the image", str(box), "Draw it inside the image")
    measured = wire.measurements_to_json(measure_box(box, series.geometry))
    return {"measurements": measured, "site": _site(box, series, arguments)}


def _site(box: Box3D, series: Series, arguments: Arguments) -> str:
    """Side and zone of a region, where lungs are known: `right_lung` and `left_lung` are masks of this series."""
    from backend.measure.region import LungMasks, site_of

    right, left = (wire.mask_from_json(arguments.get(name)) for name in ("right_lung", "left_lung"))
    if right is None or left is None:
        return ""
    masks, shape = Path(arguments["masks"]), series.geometry.shape
    return site_of(box.centre, series.geometry, LungMasks(_lung(masks, right, shape), _lung(masks, left, shape)))


@lru_cache(maxsize=4)
def _lung(masks: Path, mask: Mask, shape: Shape) -> NDArray[np.bool_]:
    """Kept between clicks on one case."""
    return read_mask(masks, mask, shape)


def read_scans(arguments: Arguments, progress: Progress, item: Item) -> dict[str, Any]:
    """Import: read files, write their caches; items: {"study", "series"} or {"refused": {path, what, found, next}}."""
    from backend.imaging.cache import to_series, write_cache
    from backend.imaging.pseudonym import pseudonym
    from backend.imaging.scan import Refusal, read_series

    voxels, key = Path(arguments["voxels"]), bytes.fromhex(arguments["key"])
    known: Mapping[str, str] = arguments["known"]
    paths = [Path(p) for p in arguments["paths"]]
    for path in paths:
        if not path.exists():
            raise UserError("There is no such file or folder", str(path), "Check the path")
    for result in read_series(paths, progress):
        if isinstance(result, Refusal):
            error = result.error
            said = {"path": str(result.path), "what": error.what, "found": error.found, "next": error.next}
            item(refused=said)
            continue
        is_here = known.get(result.series_uid) == result.pixels_sha256
        cache = "" if is_here else write_cache(voxels, result.volume)
        series = to_series(result, cache)
        called = result.description or f"{series.modality} {series.body_part.lower()}".strip()
        study = Study(series.study_uid, pseudonym(key, result.pseudonym_source or series.study_uid), called)
        item(study=wire.study_to_json(study), series=wire.series_to_json(series), new=not is_here)
    return {}


def demo(arguments: Arguments, progress: Progress, item: Item) -> dict[str, Any]:
    """Write the demo cases: {"paths"}."""
    from backend.phantoms.demo import write_demo

    return {"paths": [str(path) for path in write_demo(Path(arguments["folder"]), progress)]}


def warm(arguments: Arguments, progress: Progress, item: Item) -> dict[str, Any]:
    """Load what a click needs: torch above all, and its first solve."""
    from backend.domain.geometry import Geometry
    from backend.domain.region import Point3D

    shape = (1, 64, 64)
    disc = (np.hypot(*np.mgrid[-32:32, -32:32]) < 15).astype(np.int16)[None] * 100
    volume = Volume(disc, Geometry.of(shape, np.eye(4)))
    list(registry.expert("PROMPT").propose(volume, Prompt((Point3D(0, 32, 32),)), progress))
    return {}


CALLS: dict[str, Call] = {
    "propose": propose,
    "prompt": prompt,
    "measure": measure,
    "import": read_scans,
    "demo": demo,
    "warm": warm,
}

_last_opened: tuple[str, Volume] | None = None


def _opened(voxels: Path, series: Series) -> Volume:
    """The same Volume object for the same series, so that experts may keep work between clicks."""
    global _last_opened
    if _last_opened is None or _last_opened[0] != series.cache:
        _last_opened = (series.cache, open_cache(voxels, series))
    return _last_opened[1]


def _finding(drafted: Draft, series: Series, volume: Volume, masks: Path) -> Finding:
    """Write the mask, measure it, and name its place."""
    from backend.measure.region import measure_box, measure_mask

    if drafted.mask is not None:
        region = write_mask(masks, drafted.mask)
        measured = drafted.measurements or measure_mask(drafted.mask, volume)
        return Finding(series.series_uid, drafted.code, (region,), True, drafted.site, drafted.certainty, measured)
    assert drafted.box is not None
    measured = drafted.measurements or measure_box(drafted.box, volume.geometry)
    return Finding(series.series_uid, drafted.code, (drafted.box,), True, drafted.site, drafted.certainty, measured)

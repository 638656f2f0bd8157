"""Trachea and main bronchi by explosion-controlled region growing (see ct_anatomy)."""

from dataclasses import dataclass

import numpy as np

from backend.experts.ct_grid import Bools, CtGrid, dilate

TRACHEA_AIR = -850.0  # HU
AREA_MM2 = (40.0, 700.0)
TRACK_MM = 15.0  # a trachea stays where it is over this length
WALL_HU = -500.0  # around a trachea there is tissue; around a dilated bronchus or a bulla there is lung
LUNG_HU, LUNG_MM2 = (-940.0, -600.0), 600.0
THRESHOLDS = (-950.0, -925.0, -900.0, -875.0, -850.0, -825.0, -800.0)
EXPLOSION = 1.8  # a step that multiplies the volume by more has leaked into the lung
LIMIT_ML = 130.0


@dataclass
class _Track:
    """A round air column followed from slice to slice, downwards."""

    first: Bools
    last: Bools
    top: int
    bottom: int


def find_airways(grid: CtGrid, body: Bools) -> tuple[Bools, str]:
    """Lumen of trachea and main bronchi as a coarse (s, p, l) mask, and "" or the reason why it is empty."""
    from scipy import ndimage

    track = _trachea(grid, body)
    empty = np.zeros_like(body)
    if track is None or not _between_lungs(grid, body, track):
        return empty, "no trachea is in view"
    kept, before = empty, 0.0
    for threshold in THRESHOLDS:
        labels, _ = ndimage.label((grid.hu < threshold) & body)
        names = np.unique(labels[track.top][track.first])
        names = names[names > 0]
        if not names.size:
            continue
        grown = np.isin(labels, names)
        size = float(grown.sum()) * grid.voxel_ml
        if size > LIMIT_ML or (before > 5.0 and size > EXPLOSION * before):
            break
        kept, before = grown, size
    if before < 2.0:
        return empty, "the trachea leaks into the lung at every threshold"
    # The wall itself is a blur of air and tissue; one voxel of it belongs to the lumen's blocks.
    return dilate(kept, [1, 1, 1]) & body & (grid.hu < WALL_HU), ""


def _between_lungs(grid: CtGrid, body: Bools, track: _Track) -> bool:
    """Whether aerated lung lies on both sides of the column's lower end; gas in bowel has none beside it."""
    column = round(float(np.argwhere(track.last)[:, 1].mean()))
    lung = (grid.hu[track.bottom] > LUNG_HU[0]) & (grid.hu[track.bottom] < LUNG_HU[1]) & body[track.bottom]
    areas = lung[:, :column].sum(), lung[:, column:].sum()
    return bool(min(areas) * grid.spacing[1] * grid.spacing[2] >= LUNG_MM2)


def _trachea(grid: CtGrid, body: Bools) -> _Track | None:
    """The longest column, among those that start in the upper half of the scan."""
    columns = np.flatnonzero(body.any(axis=(0, 1)))
    if not columns.size:
        return None
    middle, width = (columns[0] + columns[-1]) / 2, columns[-1] - columns[0]
    best: _Track | None = None
    open_tracks: list[_Track] = []
    for s in range(grid.hu.shape[0] - 1, -1, -1):
        following: list[_Track] = []
        for part in _round_parts(grid, body, s, float(middle), float(width)):
            earlier = [t for t in open_tracks if (t.last & part).sum() > 0.4 * min(t.last.sum(), part.sum())]
            if earlier:
                track = max(earlier, key=lambda t: t.top - t.bottom)
                track.last, track.bottom = part, s
                following.append(track)
            else:
                following.append(_Track(part, part, s, s))
        open_tracks = following
        for track in open_tracks:
            if track.top >= grid.hu.shape[0] // 2 and (best is None or _length(track) > _length(best)):
                best = track
    if best is None or (_length(best) + 1) * grid.spacing[0] < TRACK_MM:
        return None
    return best


def _length(track: _Track) -> int:
    return track.top - track.bottom


def _round_parts(grid: CtGrid, body: Bools, s: int, middle: float, width: float) -> list[Bools]:
    """Round air regions near the midline with tissue around them, in one axial slice."""
    from scipy import ndimage

    plane = grid.hu[s]
    labels, count = ndimage.label((plane < TRACHEA_AIR) & body[s])
    pixel = grid.spacing[1] * grid.spacing[2]
    areas = np.bincount(labels.ravel(), minlength=count + 1) * pixel
    found = []
    for name, box in enumerate(ndimage.find_objects(labels), start=1):
        if not AREA_MM2[0] <= areas[name] <= AREA_MM2[1]:
            continue
        tall, wide = (b.stop - b.start for b in box)
        if abs((box[1].start + box[1].stop - 1) / 2 - middle) > 0.15 * width:
            continue
        sides = sorted((tall * grid.spacing[1], wide * grid.spacing[2]))
        if sides[1] > 2.0 * sides[0] or areas[name] < 0.5 * sides[0] * sides[1]:
            continue
        part = labels == name
        near = ndimage.binary_dilation(part, iterations=1 + round(2.0 / grid.spacing[2]))
        ring = near & ~ndimage.binary_dilation(part)
        if (plane[ring] > WALL_HU).mean() > 0.7:
            found.append(part)
    return found

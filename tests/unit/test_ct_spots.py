"""CT_SPOTS: nodules come early in the list."""

import csv
from pathlib import Path

import numpy as np
import pytest

from backend.domain.errors import UserError
from backend.domain.geometry import Geometry
from backend.domain.volume import Quantity, Volume
from backend.experts.card import Prompt, SpotDraft
from backend.experts.ct_spots import EXPERT
from backend.phantoms.chest_ct import chest_ct


def spots(volume: Volume) -> list[SpotDraft]:
    found = list(EXPERT.propose(volume, Prompt(), lambda fraction, step: None))
    assert all(isinstance(s, SpotDraft) for s in found)
    return [s for s in found if isinstance(s, SpotDraft)]


def rank(found: list[SpotDraft], volume: Volume, centre: tuple[float, float, float], diameter: float) -> int:
    """Place of the first spot inside the nodule, from 1; 999 when there is none."""
    for n, spot in enumerate(found, start=1):
        at = np.array(volume.geometry.world(spot.point.index))
        if np.linalg.norm(at - np.array(centre)) < diameter / 2:
            return n
    return 999


@pytest.mark.parametrize("seed", [11, 12])
def test_both_nodules_of_a_phantom_are_among_the_first_ten(seed: int) -> None:
    phantom = chest_ct(seed, (96, 192, 192))
    found = spots(phantom.volume)
    assert len(found) <= 30
    scores = [s.score for s in found]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= s <= 1 for s in scores)
    for nodule in phantom.nodules:
        assert rank(found, phantom.volume, nodule.centre, nodule.diameter_mm) <= 10


def test_an_agreed_nodule_is_among_the_first_ten(shared_data: Path) -> None:
    import pydicom

    files = [pydicom.dcmread(p) for p in (shared_data / "ct_lidc0314").glob("*.dcm")]
    files.sort(key=lambda f: float(f.ImagePositionPatient[2]))
    first = files[0]
    array = np.stack([f.pixel_array for f in files]).astype(np.int16)
    step = float(files[1].ImagePositionPatient[2]) - float(first.ImagePositionPatient[2])
    row, column = (float(v) for v in first.PixelSpacing)
    x, y, z = (float(v) for v in first.ImagePositionPatient)
    geometry = Geometry.from_itk(array.shape, (column, row, step), (x, y, z), np.eye(3))
    volume = Volume(
        array, geometry, Quantity.HU, slope=float(first.RescaleSlope), intercept=float(first.RescaleIntercept)
    )
    with (shared_data / "ct_lidc0314/nodule.csv").open() as file:
        truth = next(csv.DictReader(file))
    centre = float(truth["coordX"]), float(truth["coordY"]), float(truth["coordZ"])
    assert rank(spots(volume), volume, centre, float(truth["diameter_mm"])) <= 10


def test_no_lungs_no_spots() -> None:
    geometry = Geometry.of((40, 60, 60), np.diag([3.0, 3.0, 3.0, 1.0])[[2, 1, 0, 3]])
    array = np.full(geometry.shape, -1000, np.int16)
    array[:, 10:50, 10:50] = 40
    with pytest.raises(UserError, match="no air-filled lung"):
        spots(Volume(array, geometry, Quantity.HU))

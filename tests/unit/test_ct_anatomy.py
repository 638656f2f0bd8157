"""CT_ANATOMY on a computed chest and on real scans."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.domain.errors import UserError
from backend.domain.geometry import Geometry
from backend.domain.volume import Quantity, Volume
from backend.experts.card import Abstention, Prompt
from backend.experts.ct_anatomy import EXPERT
from backend.measure.dice import dice
from backend.phantoms.chest_ct import CtPhantom, chest_ct
from tests.bench.bench_prompt import read_nifti

Bools = NDArray[np.bool_]


def outlined(volume: Volume) -> tuple[dict[str, Bools], list[str]]:
    """Masks by meaning, and the reasons for what was left out."""
    said: list[str] = []
    masks = {}
    for draft in EXPERT.propose(volume, Prompt(), lambda fraction, step: None):
        if isinstance(draft, Abstention):
            said.append(draft.reason)
            continue
        assert draft.mask is not None
        assert draft.mask.shape == volume.geometry.shape
        masks[draft.code.meaning] = draft.mask
    return masks, said


@pytest.fixture(scope="module")
def phantom() -> CtPhantom:
    return chest_ct(5, (72, 160, 160))


@pytest.fixture(scope="module")
def found(phantom: CtPhantom) -> dict[str, Bools]:
    return outlined(phantom.volume)[0]


@pytest.mark.parametrize(
    ("meaning", "truth", "least"),
    [
        ("Body", "body", 0.98),
        ("Air-filled right lung", "right_lung", 0.93),
        ("Air-filled left lung", "left_lung", 0.90),
        ("Airways", "airways", 0.65),
        ("Bone", "bone", 0.75),
    ],
)
def test_phantom(phantom: CtPhantom, found: dict[str, Bools], meaning: str, truth: str, least: float) -> None:
    assert dice(found[meaning], phantom.mask(truth)) > least


def test_sides_are_the_patients_whatever_the_array(phantom: CtPhantom, found: dict[str, Bools]) -> None:
    n = phantom.volume.geometry.shape
    affine = phantom.volume.geometry.matrix @ np.array(
        [[-1, 0, 0, n[0] - 1], [0, 0, -1, n[1] - 1], [0, 1, 0, 0], [0, 0, 0, 1.0]]
    )
    turned = np.ascontiguousarray(phantom.volume.array[::-1, ::-1].swapaxes(1, 2))  # another order, the same patient
    volume = Volume(turned, Geometry.of(turned.shape, affine), Quantity.HU)
    masks, _ = outlined(volume)
    back = masks["Air-filled right lung"].swapaxes(1, 2)[::-1, ::-1]
    assert dice(back, found["Air-filled right lung"]) > 0.98


def test_lungs_that_touch_are_parted(phantom: CtPhantom) -> None:
    array = phantom.volume.array.copy()
    right, left = phantom.mask("right_lung"), phantom.mask("left_lung")
    k = int(np.argmax(right.sum(axis=(1, 2)) + left.sum(axis=(1, 2))))
    j = int(np.argwhere(right[k])[:, 0].min()) + 12
    array[k - 3 : k + 3, j - 3 : j + 3, 60:100] = -850  # an anterior junction of a few millimetres
    masks, _ = outlined(Volume(array, phantom.volume.geometry, Quantity.HU))
    assert dice(masks["Air-filled right lung"], right) > 0.9
    assert dice(masks["Air-filled left lung"], left) > 0.88


@pytest.mark.parametrize(
    ("change", "word"),
    [("quantity", "Hounsfield"), ("coarse", "at most 5 mm"), ("short", "few slices"), ("unsafe", "cannot be trusted")],
)
def test_abstains_with_a_reason(phantom: CtPhantom, change: str, word: str) -> None:
    array, g = phantom.volume.array, phantom.volume.geometry
    stretched = g.matrix @ np.diag([3.0, 1, 1, 1])
    volume = {
        "quantity": lambda: Volume(array, g, Quantity.ONE),
        "coarse": lambda: Volume(array, Geometry.of(g.shape, stretched), Quantity.HU),
        "short": lambda: Volume(array[:4], Geometry.of((4, *g.shape[1:]), g.matrix), Quantity.HU),
        "unsafe": lambda: Volume(array, Geometry.of(g.shape, g.matrix, unsafe=("slices are missing",)), Quantity.HU),
    }[change]()
    with pytest.raises(UserError, match=word):
        list(EXPERT.propose(volume, Prompt(), lambda fraction, step: None))


def test_one_lung_is_not_called_a_pair(phantom: CtPhantom) -> None:
    array = phantom.volume.array.copy()
    array[phantom.mask("left_lung")] = 30  # consolidated
    masks, said = outlined(Volume(array, phantom.volume.geometry, Quantity.HU))
    assert "Air-filled right lung" not in masks
    assert any(s.startswith("lungs left out: no pair") for s in said)
    assert {"Body", "Bone"} <= set(masks)


def test_bowel_gas_is_not_lung(shared_data: Path) -> None:
    """Development figures: the rules were set on this scan, and its labels are another model's."""
    whole = read_nifti(shared_data / "nifti/ct_abdomen_totalseg/ct.nii.gz", Quantity.HU)
    labels = read_nifti(shared_data / "nifti/ct_abdomen_totalseg/totalseg_labels.nii.gz", Quantity.ONE).array
    masks, said = outlined(whole)
    lungs = masks["Air-filled right lung"] | masks["Air-filled left lung"]
    top = slice(-len(labels), None)
    assert dice(lungs[top], np.isin(labels, range(10, 15))) > 0.93
    assert not lungs[: -len(labels)].any()
    assert "Airways" not in masks
    assert any(s.startswith("airways left out") for s in said)


def test_an_abdomen_has_no_lungs(shared_data: Path) -> None:
    masks, said = outlined(read_nifti(shared_data / "nifti/ct_spleen/ct.nii.gz", Quantity.HU))
    assert "Air-filled left lung" not in masks
    assert any(s.startswith("lungs left out") for s in said)

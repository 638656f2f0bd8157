"""Click and box segmentation on computed images with known truth."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from backend.domain.errors import UserError
from backend.domain.geometry import Geometry, Unit
from backend.domain.region import Box3D, Point3D
from backend.domain.volume import Quantity, Volume
from backend.experts.card import Draft, Prompt
from backend.experts.prompt import EXPERT, segment
from backend.experts.prompt_prior import _placed
from backend.experts.prompt_roi import block_factors, block_mean, choose_roi
from backend.experts.prompt_work import prepare
from backend.measure.dice import dice

Bools = NDArray[np.bool_]


def two_balls(spacing: tuple[float, float, float] = (2.0, 1.0, 1.0)) -> tuple[Volume, Bools, Bools]:
    """CT of two touching noisy balls of 90 and 40 HU in fat, 20 mm wide each, and their masks."""
    geometry = Geometry.of((30, 70, 90), np.diag([*spacing, 1.0])[[2, 1, 0, 3]])
    k, j, i = np.indices(geometry.shape)
    mm = [a * s for a, s in zip((k, j, i), spacing, strict=True)]
    near = [(mm[0] - 30) ** 2 + (mm[1] - 35) ** 2 + (mm[2] - x) ** 2 <= 10.5**2 for x in (34, 55)]
    hu = np.full(geometry.shape, -100.0)
    hu[near[0]], hu[near[1]] = 90, 40
    hu += np.random.default_rng(3).normal(0, 12, hu.shape)
    return Volume(np.round(hu).astype(np.int16), geometry, Quantity.HU), near[0], near[1]


LEFT = Point3D(15, 35, 34)
RIGHT = Point3D(15, 35, 55, positive=False)


@pytest.mark.parametrize("box", [None, Box3D(6, 20, 20, 24, 50, 48)])
def test_one_click_finds_the_ball(box: Box3D | None) -> None:
    volume, ball, _ = two_balls()
    found = segment(volume, Prompt((LEFT, RIGHT), box))
    assert dice(found, ball) > 0.9


def test_clicks_are_obeyed_exactly() -> None:
    volume, *_ = two_balls()
    odd = (Point3D(15, 35, 60), Point3D(14, 30, 34, positive=False))
    found = segment(volume, Prompt((LEFT, *odd)))
    assert found[LEFT.index]
    assert found[odd[0].index]
    assert not found[odd[1].index]


def test_a_corrected_click_counts_last() -> None:
    volume, *_ = two_balls()
    again = Point3D(*LEFT.index, positive=False)
    assert not segment(volume, Prompt((LEFT, again), Box3D(6, 20, 20, 24, 50, 48)))[LEFT.index]


def test_a_box_alone_is_enough_and_bounds_the_result() -> None:
    volume, ball, _ = two_balls()
    box = Box3D(7, 22, 21, 23, 48, 45)
    found = segment(volume, Prompt((), box))
    assert dice(found, ball) > 0.85
    outside = found.copy()
    outside[box.slices] = False
    assert not outside.any()


def test_a_box_on_one_slice_reaches_across_slices() -> None:
    volume, ball, _ = two_balls()
    found = segment(volume, Prompt((LEFT,), Box3D(15, 22, 21, 15, 48, 45)))
    assert dice(found, ball) > 0.85


def test_refining_changes_what_is_near_the_click_only() -> None:
    volume, ball, other = two_balls()
    draft = ball | other
    far = np.zeros_like(draft)
    far[:, :, :28] = draft[:, :, :28]
    found = segment(volume, Prompt((RIGHT,), start=draft))
    assert not found[RIGHT.index]
    assert (found & other).sum() < 0.5 * other.sum()
    assert dice(found & far, far) > 0.95


def test_a_negative_click_speaks_for_its_neighbourhood() -> None:
    """Another structure has the same grey value: denying it must not deny the one that was clicked."""
    geometry = Geometry.of((24, 60, 90), np.eye(4)[[2, 1, 0, 3]])
    k, j, i = np.indices(geometry.shape)
    ball = (k - 12) ** 2 + (j - 30) ** 2 + (i - 30) ** 2 <= 81
    other = (k - 12) ** 2 + (j - 30) ** 2 + (i - 62) ** 2 <= 36
    hu = np.where(ball | other, 60, -100) + np.random.default_rng(5).normal(0, 12, geometry.shape)
    volume = Volume(np.round(hu).astype(np.int16), geometry, Quantity.HU)
    clicks = (Point3D(12, 30, 30), Point3D(12, 30, 62, positive=False))
    found = segment(volume, Prompt(clicks, Box3D(1, 16, 16, 23, 44, 74)))
    assert dice(found, ball) > 0.95


@pytest.mark.parametrize("quantity", [Quantity.HU, Quantity.ONE])
def test_where_in_a_box_a_voxel_lies_counts_where_grey_values_are_arbitrary(quantity: Quantity) -> None:
    volume, *_ = two_balls()
    volume = Volume(volume.array, volume.geometry, quantity)
    prompt = Prompt((LEFT,), Box3D(6, 20, 20, 24, 50, 48))
    work = prepare(volume, prompt, choose_roi(volume, prompt))
    chance = np.full(work.shape, 0.5, dtype=np.float32)
    placed = _placed(work, chance, guessed=False)
    if quantity is Quantity.HU:
        assert (placed == chance).all()
    else:
        assert placed[tuple(n // 2 for n in work.shape)] > 0.9
        assert placed[0, 0, 0] < 0.01
    assert (_placed(work, chance, guessed=True) == chance).all()


def test_the_same_prompt_gives_the_same_mask() -> None:
    volume, *_ = two_balls()
    first = segment(volume, Prompt((LEFT,)))
    segment(volume, Prompt((Point3D(15, 35, 55),)))
    copy = Volume(volume.array.copy(), volume.geometry, volume.quantity)
    assert dice(segment(copy, Prompt((LEFT,))), first) > 0.999


def test_another_volume_never_gets_the_cached_one() -> None:
    for _ in range(3):  # ids of dead arrays are used again
        volume, ball, _ = two_balls()
        assert dice(segment(volume, Prompt((LEFT, RIGHT))), ball) > 0.9
        flipped = Volume(volume.array[:, :, ::-1].copy(), volume.geometry, volume.quantity)
        there = Point3D(15, 35, 89 - 34), Point3D(15, 35, 89 - 55, positive=False)
        assert dice(segment(flipped, Prompt(there)), ball[:, :, ::-1]) > 0.9


def test_a_nodule_in_lung_keeps_its_size() -> None:
    geometry = Geometry.of((40, 60, 60), np.eye(4)[[2, 1, 0, 3]])
    distance = np.sqrt(((np.indices(geometry.shape) - 25) ** 2).sum(0))
    hu = -850 + 890 * np.clip(4.5 - distance, 0, 1) + np.random.default_rng(0).normal(0, 15, geometry.shape)
    volume = Volume(np.round(hu).astype(np.int16), geometry, Quantity.HU)
    assert dice(segment(volume, Prompt((Point3D(25, 25, 25),))), distance <= 4) > 0.8


def test_arbitrary_units_and_storage_scale_do_not_matter() -> None:
    volume, ball, _ = two_balls()
    strange = Volume((volume.array * 3 + 7).astype(np.int16), volume.geometry, Quantity.ONE, slope=0.01, intercept=-5.0)
    assert dice(segment(strange, Prompt((LEFT, RIGHT))), ball) > 0.85


@pytest.mark.parametrize("colour", [False, True])
def test_a_picture(colour: bool) -> None:
    j, i = np.indices((600, 800))
    disc = (j - 300) ** 2 + (i - 420) ** 2 < 90**2
    picture = np.full((600, 800, 3), (200, 180, 190), np.uint8)
    picture[disc] = (150, 80, 160)
    picture[(j - 300) ** 2 + (i - 640) ** 2 < 60**2] = (150, 80, 160)
    noise = np.random.default_rng(1).integers(-12, 13, picture.shape)
    array = (
        (picture + noise).astype(np.uint8)[None] if colour else (picture + noise).astype(np.uint8)[None, ..., 1].copy()
    )
    geometry = Geometry.of((1, 600, 800), np.eye(4), unit=Unit.PIXEL)
    volume = Volume(array, geometry, Quantity.COLOUR if colour else Quantity.ONE)
    assert dice(segment(volume, Prompt((Point3D(0, 300, 420),)))[0], disc) > 0.9


def test_a_large_roi_is_worked_on_coarsely_and_answered_finely() -> None:
    geometry = Geometry.of((120, 160, 160), np.eye(4)[[2, 1, 0, 3]])
    distance = np.sqrt(((np.indices(geometry.shape) - np.array([60, 80, 80]).reshape(3, 1, 1, 1)) ** 2).sum(0))
    array = np.where(distance < 45, 100, 0).astype(np.int16)
    found = segment(
        Volume(array, geometry, Quantity.HU), Prompt((Point3D(60, 80, 80),), Box3D(5, 20, 20, 115, 140, 140))
    )
    assert dice(found, distance < 45) > 0.97


@pytest.mark.parametrize(
    "prompt",
    [
        Prompt(),
        Prompt((RIGHT,)),
        Prompt((Point3D(99, 0, 0),)),
        Prompt((Point3D(-1, 0, 0),)),
        Prompt((LEFT,), Box3D(0, 0, 0, 40, 5, 5)),
        Prompt((LEFT,), start=np.ones((2, 2, 2), dtype=np.bool_)),
    ],
)
def test_prompts_that_make_no_sense_are_refused(prompt: Prompt) -> None:
    volume, *_ = two_balls()
    with pytest.raises(UserError):
        segment(volume, prompt)


def test_constant_image_and_tiny_image_do_not_fail() -> None:
    for shape in ((1, 1, 1), (1, 5, 3), (3, 3, 3)):
        volume = Volume(np.full(shape, 7, np.uint8), Geometry.of(shape, np.eye(4)))
        assert segment(volume, Prompt((Point3D(0, 0, 0),)))[0, 0, 0]


def test_expert_yields_one_draft_and_leaves_torch_as_it_was() -> None:
    volume, ball, _ = two_balls()
    before = torch.get_num_threads()
    drafts = list(EXPERT.propose(volume, Prompt((LEFT, RIGHT)), lambda fraction, step: None))
    assert torch.get_num_threads() == before
    assert len(drafts) == 1
    assert isinstance(drafts[0], Draft)
    assert drafts[0].mask is not None
    assert dice(drafts[0].mask, ball) > 0.9
    assert len(EXPERT.fingerprint()) == 64


def test_blocks() -> None:
    assert block_factors((10, 10, 10), (1, 1, 1), 10**6) == (1, 1, 1)
    k, j, i = block_factors((50, 500, 500), (5.0, 0.7, 0.7), 250_000)
    assert k == 1  # thick slices are the last to be thinned out
    assert -(-500 // j) * -(-500 // i) * 50 <= 250_000
    ramp = np.arange(5, dtype=np.float32).reshape(1, 1, 1, 5)
    assert block_mean(ramp, (1, 1, 2)).ravel().tolist() == [0.5, 2.5, 4.0]


def test_roi_faces_at_the_border_of_the_volume_are_not_background() -> None:
    volume, *_ = two_balls()
    roi = choose_roi(volume, Prompt((LEFT,), Box3D(0, 22, 21, 23, 48, 89)))
    assert roi.hard == ((False, True), (True, True), (True, False))


def test_a_box_drawn_tight_still_finds_the_structure() -> None:
    array = np.zeros((20, 40, 40), np.int16)
    array[5:12, 8:18, 10:20] = 200
    array += np.random.default_rng(0).integers(-5, 5, array.shape, dtype=np.int16)
    volume = Volume(array, Geometry.of(array.shape, np.eye(4)[:, [2, 1, 0, 3]]))
    found = segment(volume, Prompt(box=Box3D(5, 8, 10, 11, 17, 19)))
    assert dice(found, array > 100) > 0.9


def test_an_empty_box_is_refused() -> None:
    volume = Volume(np.zeros((10, 40, 40), np.int16), Geometry.of((10, 40, 40), np.eye(4)[:, [2, 1, 0, 3]]))
    with pytest.raises(UserError, match="Nothing stands out"):
        segment(volume, Prompt(box=Box3D(2, 5, 5, 7, 20, 20)))

"""The computed scans: same seed same voxels, and the truth that comes with them agrees with the picture."""

import numpy as np
import pytest
from scipy.ndimage import label

from backend.phantoms.chest_ct import CtPhantom, chest_ct
from backend.phantoms.chest_xray import radiograph
from backend.phantoms.solid import grow_tree

SHAPE = (48, 128, 128)


@pytest.fixture(scope="module")
def ct() -> CtPhantom:
    return chest_ct(3, SHAPE)


def test_ct_is_the_same_for_the_same_seed(ct: CtPhantom) -> None:
    again, other = chest_ct(3, SHAPE), chest_ct(4, SHAPE)
    assert np.array_equal(ct.volume.array, again.volume.array)
    assert ct.nodules == again.nodules
    assert not np.array_equal(ct.volume.array, other.volume.array)


def test_ct_is_oriented_as_its_geometry_says(ct: CtPhantom) -> None:
    geometry = ct.volume.geometry
    assert geometry.anatomical_axes() == ((2, 1), (1, 1), (0, 1))
    centres = {name: geometry.world(tuple(np.argwhere(mask).mean(axis=0))) for name, mask in ct.truth}
    assert centres["right_lung"][0] < -30 < 30 < centres["left_lung"][0]
    assert centres["heart"][0] > 5, "the heart lies to the left"
    assert centres["heart"][1] < centres["bone"][1], "the spine lies behind the heart"
    assert centres["airways"][2] > centres["heart"][2], "the windpipe lies above the heart"


def test_ct_truth_has_the_density_of_what_it_names(ct: CtPhantom) -> None:
    hu = ct.volume.array
    median = {name: float(np.median(hu[mask])) for name, mask in ct.truth}
    assert -900 < median["right_lung"] < -780
    assert -900 < median["left_lung"] < -780
    assert median["airways"] < -850
    assert median["bone"] > 200
    assert 60 < median["heart"] < 200
    assert -200 < median["nodule_1"] < 80
    assert median["nodule_2"] > median["left_lung"] + 300, "partial volume in these 6 mm slices, but far above lung"
    assert np.median(hu[~ct.mask("body")]) < -950


def test_ct_truth_does_not_overlap_itself(ct: CtPhantom) -> None:
    apart = [ct.mask(name) for name in ("right_lung", "left_lung", "airways", "heart")]
    assert np.sum(apart, axis=0).max() == 1
    for lung in apart[:2]:
        parts, _ = label(lung)
        sizes = np.bincount(parts.ravel())[1:]
        assert sizes.max() > 0.98 * sizes.sum(), "each lung is one piece"
        assert 1.3e6 < lung.sum() * ct.volume.geometry.voxel_volume < 4e6, "litres of an adult's lung"


@pytest.mark.parametrize("seed", [0, 11])
def test_ct_nodules_lie_in_their_lungs_and_have_their_size(seed: int) -> None:
    ct = chest_ct(seed, SHAPE)
    for nodule, lung in zip(ct.nodules, ("right_lung", "left_lung"), strict=True):
        mask = ct.mask(nodule.name)
        assert (mask & ct.mask(lung)).sum() >= 0.95 * mask.sum()
        expected = np.pi / 6 * nodule.diameter_mm**3
        assert mask.sum() * ct.volume.geometry.voxel_volume == pytest.approx(expected, rel=0.35)
        middle = ct.volume.geometry.world(tuple(np.argwhere(mask).mean(axis=0)))
        assert np.linalg.norm(np.subtract(middle, nodule.centre)) < 3


def test_vessels_taper_from_the_root_and_reach_their_targets() -> None:
    targets = np.random.default_rng(0).uniform(10, 80, (40, 3))
    tree = grow_tree((0.0, 0.0, 0.0), targets, leaf=0.5)
    children = tree.parents[1:]
    assert (tree.radii[1:] <= tree.radii[children] + 1e-9).all()
    assert tree.radii[0] == pytest.approx(tree.radii.max())
    gaps = np.linalg.norm(tree.points[:, None] - targets[None], axis=2).min(axis=0)
    assert gaps.max() < 1e-6


def test_radiograph_is_the_same_for_the_same_seed() -> None:
    one, two, other = radiograph(5, 128), radiograph(5, 128), radiograph(6, 128)
    assert np.array_equal(one.pixels, two.pixels)
    assert np.array_equal(one.left_lung, two.left_lung)
    assert not np.array_equal(one.pixels, other.pixels)


@pytest.mark.parametrize("seed", range(3))
def test_radiograph_truth_is_two_lungs_on_their_sides(seed: int) -> None:
    phantom = radiograph(seed, 192)
    right, left = phantom.right_lung, phantom.left_lung
    assert phantom.pixels.dtype == np.uint8
    assert phantom.pixels.shape == right.shape == left.shape == (192, 192)
    assert not (right & left).any()
    assert all(label(lung)[1] == 1 for lung in (right, left))
    assert np.argwhere(right)[:, 1].mean() < 96 < np.argwhere(left)[:, 1].mean()
    assert 0.05 < right.mean() < 0.3
    assert 0.05 < left.mean() < 0.3


def test_radiograph_shows_the_same_patient_at_any_size() -> None:
    small, large = radiograph(9, 128), radiograph(9, 256)
    halved = large.left_lung[::2, ::2]
    assert (halved ^ small.left_lung).sum() < 0.06 * small.left_lung.sum()


def test_healthy_lungs_are_darker_than_the_heart() -> None:
    darker = 0
    for seed in range(3):
        phantom = radiograph(seed, 128)
        middle = phantom.pixels[60:90, 58:70]
        darker += np.median(phantom.pixels[phantom.right_lung]) < np.median(middle)
    assert darker >= 2

"""Measurements against shapes whose sizes are known."""

import time

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.domain.geometry import Geometry, Unit
from backend.domain.region import Box3D
from backend.domain.review import Measurement
from backend.domain.volume import Quantity, Volume
from backend.measure.region import LungMasks, measure_box, measure_mask, site_of


def oblique(spacing: tuple[float, float, float] = (2.5, 0.8, 0.8)) -> NDArray[np.float64]:
    """An affine turned by 20 and 30 degrees."""
    a, b = np.radians(20), np.radians(30)
    turn = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]]) @ np.array(
        [[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]]
    )
    affine = np.eye(4)
    affine[:3, :3] = turn[:, ::-1] * np.array(spacing)
    affine[:3, 3] = (-30.0, 12.0, 400.0)
    return affine


def ellipsoid(
    geometry: Geometry, centre: tuple[float, float, float], radii: tuple[float, float, float]
) -> NDArray[np.bool_]:
    """Voxels whose centres lie in an ellipsoid with axes along L, P and S."""
    index = np.indices(geometry.shape).reshape(3, -1)
    world = geometry.matrix[:3, :3] @ index + geometry.matrix[:3, 3:]
    inside = (((world - np.array(centre)[:, None]) / np.array(radii)[:, None]) ** 2).sum(0) <= 1
    shaped: NDArray[np.bool_] = inside.reshape(geometry.shape)
    return shaped


def named(measurements: tuple[Measurement, ...]) -> dict[str, tuple[float, str]]:
    return {m.name: (m.value, m.unit) for m in measurements}


@pytest.mark.parametrize("affine", [np.diag([3.0, 0.7, 0.7, 1.0])[[2, 1, 0, 3]], oblique()])
def test_sphere(affine: NDArray[np.float64]) -> None:
    geometry = Geometry.of((30, 90, 90), affine)
    centre = geometry.world((15, 45, 45))
    sphere = ellipsoid(geometry, centre, (20, 20, 20))
    volume = Volume(np.full(geometry.shape, 40, np.int16), geometry, Quantity.HU, slope=2.0, intercept=-30.0)
    found = named(measure_mask(sphere, volume))
    assert found["volume"][1] == "mL"
    assert found["volume"][0] == pytest.approx(4 / 3 * np.pi * 20**3 / 1000, rel=0.03)
    assert found["longest diameter"][1] == "mm"
    assert found["longest diameter"][0] == pytest.approx(40, abs=1.5)
    assert found["longest axial diameter"][0] == pytest.approx(40, abs=1.5)
    assert found["HU mean"] == (50.0, "HU")


def test_long_axis_is_found_whatever_its_direction() -> None:
    geometry = Geometry.of((60, 100, 100), oblique((1.0, 0.8, 0.8)))
    centre = geometry.world((30, 50, 50))
    lengthwise = measure_mask(
        ellipsoid(geometry, centre, (8, 8, 25)), Volume(np.zeros(geometry.shape, np.uint8), geometry)
    )
    found = named(lengthwise)
    assert found["longest diameter"][0] == pytest.approx(50, abs=1.5)
    assert found["longest axial diameter"][0] < 30
    assert "HU mean" not in found


def test_box_offset_gives_the_same_as_the_whole_grid() -> None:
    geometry = Geometry.of((20, 40, 40), np.diag([2.0, 1.0, 1.0, 1.0])[[2, 1, 0, 3]])
    array = np.arange(20 * 40 * 40, dtype=np.int16).reshape(20, 40, 40)
    volume = Volume(array, geometry, Quantity.HU)
    mask = np.zeros(geometry.shape, bool)
    mask[4:9, 10:22, 15:18] = True
    box = Box3D(4, 10, 15, 8, 21, 17)
    assert measure_mask(mask[box.slices], volume, box) == measure_mask(mask, volume)
    with pytest.raises(ValueError, match="does not lie"):
        measure_mask(mask, volume, box)


def test_bar_counts_voxels_from_face_to_face() -> None:
    geometry = Geometry.of((5, 5, 30), np.diag([1.0, 1.0, 0.5, 1.0])[[2, 1, 0, 3]])
    mask = np.zeros(geometry.shape, bool)
    mask[2, 2, 5:25] = True
    found = named(measure_mask(mask, Volume(np.zeros(geometry.shape, np.uint8), geometry)))
    assert found["longest diameter"][0] == pytest.approx(20 * geometry.spacing[2])


def test_uncalibrated_image_has_no_millimetres() -> None:
    geometry = Geometry.of((1, 200, 200), np.eye(4), unit=Unit.PIXEL)
    mask = np.zeros(geometry.shape, bool)
    mask[0, 50:60, 20:120] = True
    found = named(measure_mask(mask, Volume(np.zeros(geometry.shape, np.uint8), geometry)))
    assert found["area"] == (1000.0, "px")
    assert found["longest diameter"][1] == "px"
    assert found["longest diameter"][0] == pytest.approx(np.hypot(10, 100), abs=1.1)


def test_calibrated_plane_has_an_area() -> None:
    geometry = Geometry.of((1, 100, 100), np.diag([1.0, 0.2, 0.2, 1.0])[[2, 1, 0, 3]])
    mask = np.zeros(geometry.shape, bool)
    mask[0, 10:60, 10:60] = True
    found = named(measure_mask(mask, Volume(np.zeros(geometry.shape, np.uint8), geometry)))
    assert found["area"] == (pytest.approx(2500 * geometry.spacing[1] * geometry.spacing[2]), "mm2")


def test_unsafe_geometry_gives_only_what_lies_in_one_slice() -> None:
    affine = np.diag([5.0, 1.0, 1.0, 1.0])[[2, 1, 0, 3]]
    geometry = Geometry.of((10, 50, 50), affine, unsafe=("slices are missing",))
    mask = np.zeros(geometry.shape, bool)
    mask[2:8, 10:20, 10:40] = True
    found = named(measure_mask(mask, Volume(np.zeros(geometry.shape, np.uint8), geometry)))
    assert set(found) == {"longest axial diameter"}
    assert len(measure_box(Box3D(2, 10, 10, 7, 19, 39), geometry)) == 2


def test_empty_mask_and_padding() -> None:
    geometry = Geometry.of((2, 4, 4), np.eye(4)[[2, 1, 0, 3]])
    array = np.full(geometry.shape, 100, np.int16)
    array[0, 0, 0] = -2000
    volume = Volume(array, geometry, Quantity.HU, padding=-2000)
    assert measure_mask(np.zeros(geometry.shape, bool), volume) == ()
    assert named(measure_mask(np.ones(geometry.shape, bool), volume))["HU mean"] == (100.0, "HU")


def test_box_extents_are_in_order() -> None:
    geometry = Geometry.of((10, 50, 50), np.array([[0, 0, 0.5, 0], [0, 0.7, 0, 0], [3.0, 0, 0, 0], [0, 0, 0, 1]]))
    volume = Volume(np.zeros(geometry.shape, np.uint8), geometry)
    values = [m.value for m in measure_box(Box3D(1, 10, 20, 2, 19, 39), volume.geometry)]
    assert values == pytest.approx([6.0, 7.0, 10.0])
    assert all(m.name == "extent" and m.unit == "mm" for m in measure_box(Box3D(1, 10, 20, 1, 19, 39), volume.geometry))


def test_a_body_is_measured_quickly() -> None:
    geometry = Geometry.of((150, 256, 256), np.diag([2.0, 1.5, 1.5, 1.0])[[2, 1, 0, 3]])
    mask = ellipsoid(geometry, geometry.world((75, 128, 128)), (180, 120, 400))
    volume = Volume(np.zeros(geometry.shape, np.int16), geometry, Quantity.ONE)
    began = time.process_time()
    measure_mask(mask, volume)
    assert time.process_time() - began < 1.0  # about 0.1 s on an idle core


@pytest.mark.parametrize("flip", [False, True])
def test_zones_come_from_the_patient_not_from_the_array(flip: bool) -> None:
    affine = np.array([[0, 0, 2.0, -60], [0, 2.0, 0, -60], [3.0, 0, 0, 0], [0, 0, 0, 1]])
    right, left = np.zeros((60, 60, 60), bool), np.zeros((60, 60, 60), bool)
    right[5:55, 10:50, 5:25] = True
    left[5:55, 10:50, 35:55] = True
    at = (50.0, 30.0, 10.0)
    if flip:  # the same patient, stored from head to feet and from left to right
        affine = affine @ np.array([[-1, 0, 0, 59], [0, 1, 0, 0], [0, 0, -1, 59], [0, 0, 0, 1.0]])
        right, left = right[::-1, :, ::-1], left[::-1, :, ::-1]
        at = (59 - at[0], at[1], 59 - at[2])
    geometry = Geometry.of((60, 60, 60), affine)
    lungs = LungMasks(right, left)
    assert site_of(at, geometry, lungs) == "right upper zone"
    middle = 59 / 2
    assert site_of((middle, 30, 59 - at[2]), geometry, lungs) == "left middle zone"
    assert site_of(at, geometry) == ""
    assert site_of((middle, 0, 59.0), geometry, LungMasks(right, np.zeros_like(left))) == ""


def test_a_lung_that_is_cut_off_has_no_zones() -> None:
    geometry = Geometry.of((20, 40, 60), np.diag([1.0, 1.0, 2.0, 1.0])[[0, 1, 2, 3]][:, [2, 1, 0, 3]])
    right, left = np.zeros(geometry.shape, bool), np.zeros(geometry.shape, bool)
    right[:, 10:30, 5:25], left[:, 10:30, 35:55] = True, True  # from the first slice to the last: a slab
    assert site_of((15, 20, 10), geometry, LungMasks(right, left)) == "right lung"

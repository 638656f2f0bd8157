"""DICOM series to volumes: grids against SimpleITK, values, windows, irregular stacks, identity, hostile bytes."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import ImplicitVRLittleEndian, JPEGBaseline8Bit
from scipy.spatial.transform import Rotation

from backend.domain.geometry import Unit
from backend.domain.volume import Quantity, Window, WindowFunction
from backend.imaging.reading import ReadSeries, Refusal
from backend.imaging.scan import read_series
from tests.unit.synthetic_dicom import AXIAL, dataset, functional_groups, save, save_stack


def read(*paths: Path) -> list[ReadSeries | Refusal]:
    return list(read_series(paths, lambda fraction, word: None))


def only(*paths: Path) -> ReadSeries:
    (result,) = read(*paths)
    assert isinstance(result, ReadSeries), result
    return result


def refused(*paths: Path) -> Refusal:
    (result,) = read(*paths)
    assert isinstance(result, Refusal), result
    assert result.error.what
    return result


def ramp(slices: int = 5, rows: int = 6, columns: int = 7) -> NDArray[np.int16]:
    """Every voxel is different, so that no flip or transposition can hide."""
    return np.arange(slices * rows * columns, dtype=np.int16).reshape(slices, rows, columns)


def along_z(n: int, step: float = 2.0) -> list[list[float]]:
    return [[-10.0, 20.0, 5 + step * k] for k in range(n)]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    angles=st.tuples(*[st.floats(-180, 180)] * 3),
    step=st.floats(0.5, 8),
    order=st.permutations(range(5)),
)
def test_grid_and_voxels_agree_with_simpleitk(
    tmp_path_factory: pytest.TempPathFactory, angles: tuple[float, float, float], step: float, order: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("oblique")
    turn = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    positions = [turn @ [3.0, -4.0, 50 + step * k] for k in order]
    orientation = [round(float(v), 9) for v in (*turn[:, 0], *turn[:, 1])]
    voxels = ramp()
    save_stack(folder, voxels[list(order)], [p.tolist() for p in positions], orientation)
    volume = only(folder).volume
    assert volume.geometry.unsafe == ()

    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    oracle = reader.Execute()
    values = volume.values()
    for index in [(0, 0, 0), (4, 5, 6), (2, 1, 5)]:
        k, j, i = oracle.TransformPhysicalPointToIndex(volume.geometry.world(index))[::-1]
        assert oracle[i, j, k] == values[index]
        np.testing.assert_allclose(
            oracle.TransformIndexToPhysicalPoint((i, j, k)), volume.geometry.world(index), atol=1e-4
        )


def test_axial_slices_run_toward_the_head_whatever_the_order_of_files(tmp_path: Path) -> None:
    save_stack(tmp_path, ramp()[::-1], along_z(5)[::-1])
    head_first = (1.0, 0.0, 0.0, 0.0, -1.0, 0.0)  # Its normal points to the feet.
    save_stack(tmp_path / "mirrored", ramp(), along_z(5), head_first, SeriesInstanceUID="1.2.9")
    for result in read(tmp_path):
        assert isinstance(result, ReadSeries)
        grid = result.volume.geometry
        np.testing.assert_array_equal(result.volume.array, ramp())
        assert grid.matrix[:3, 0].tolist() == [0.0, 0.0, 2.0]
        assert grid.origin == (-10.0, 20.0, 5.0)
        assert grid.spacing == pytest.approx((2.0, 0.7, 0.5)), "spacing comes from positions, not from SliceThickness"
        assert grid.anatomical_axes()[2] == (0, 1)


def test_ct_keeps_stored_integers_and_reads_hounsfield_units(tmp_path: Path) -> None:
    save_stack(tmp_path, ramp().astype(np.uint16), along_z(5), PixelPaddingValue=3, BodyPartExamined="CHEST")
    read_ct = only(tmp_path)
    volume = read_ct.volume
    assert (volume.array.dtype, volume.slope, volume.intercept) == (np.int16, 1.0, -1024.0)
    assert volume.quantity is Quantity.HU
    assert volume.windows == (), "the viewer has presets for CT"
    assert volume.padding == 3
    assert (read_ct.modality, read_ct.body_part, read_ct.study_uid, read_ct.series_uid) == (
        "CT",
        "CHEST",
        "1.2.3",
        "1.2.3.4",
    )
    assert len(read_ct.sources) == 5
    assert read_ct.decoded.dtype == "uint16"


@pytest.mark.parametrize(
    ("positions", "word"),
    [
        ([0, 2, 4, 8, 10], "Slices missing inside the stack: 1 "),
        ([0, 2, 4, 4, 6], "same place"),
        ([0, 2, 4.7, 6, 8], "unequally spaced"),
    ],
)
def test_irregular_stacks_are_named_and_not_stretched(tmp_path: Path, positions: list[float], word: str) -> None:
    save_stack(tmp_path, ramp(), [[0, 0, z] for z in positions])
    volume = only(tmp_path).volume
    assert any(word in said for said in volume.geometry.unsafe), volume.geometry.unsafe
    assert set(volume.geometry.unsafe) <= set(volume.warnings)
    assert volume.geometry.spacing[0] == pytest.approx(2.0, abs=0.01), "the usual step stays"


def test_gantry_tilt_is_followed_and_named(tmp_path: Path) -> None:
    save_stack(tmp_path, ramp(), [[0, 0.5 * k, 2.0 * k] for k in range(5)])
    grid = only(tmp_path).volume.geometry
    assert grid.world((4, 0, 0)) == pytest.approx((0, 2, 8))
    assert any("gantry tilt (14.0 degrees)" in said for said in grid.unsafe)


def test_slices_shifted_at_random_are_named(tmp_path: Path) -> None:
    save_stack(tmp_path, ramp(), [[0, y, 2.0 * k] for k, y in enumerate([0, 0, 3, 0, 0])])
    assert any("sideways" in said for said in only(tmp_path).volume.geometry.unsafe)


def test_one_series_with_two_orientations_and_sizes_becomes_volumes_of_their_own(tmp_path: Path) -> None:
    save_stack(tmp_path / "a", ramp(), along_z(5))
    save_stack(tmp_path / "b", ramp(3), [[float(k), 0, 0] for k in range(3)], (0, 1, 0, 0, 0, -1))
    save_stack(tmp_path / "c", ramp(2, 9, 9), along_z(2))
    save_stack(tmp_path / "d", ramp(1), along_z(1), ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    results = [r for r in read(tmp_path) if isinstance(r, ReadSeries)]
    assert [r.shape for r in results] == [(5, 6, 7), (3, 6, 7), (2, 9, 9), (1, 6, 7)]
    assert len({r.series_uid for r in results}) == 4
    assert results[0].series_uid == "1.2.3.4"
    assert results[3].volume.quantity is Quantity.ONE, "a localizer holds no Hounsfield units"
    assert [r.series_uid for r in read(tmp_path) if isinstance(r, ReadSeries)] == [r.series_uid for r in results]


def test_echoes_at_the_same_places_are_split(tmp_path: Path) -> None:
    for echo, folder in ((4.6, "a"), (9.2, "b")):
        voxels = ramp() + np.int16(echo * 100)
        save_stack(tmp_path / folder, voxels, along_z(5), modality="MR", EchoTime=echo)
    first, second = (r for r in read(tmp_path) if isinstance(r, ReadSeries))
    assert first.volume.geometry.unsafe == second.volume.geometry.unsafe == ()
    np.testing.assert_array_equal(second.volume.array, first.volume.array + 460)


def test_a_copy_of_a_file_is_left_out(tmp_path: Path) -> None:
    paths = save_stack(tmp_path, ramp(), along_z(5))
    (tmp_path / "copy.dcm").write_bytes(paths[0].read_bytes())
    copied = only(tmp_path)
    assert copied.shape[0] == 5
    assert any("copies" in said for said in copied.volume.warnings)


def test_files_that_share_a_uid_but_not_their_pixels_are_all_kept(tmp_path: Path) -> None:
    for k in range(2):
        save_stack(tmp_path / str(k), ramp(1) + np.int16(k), along_z(1), SOPInstanceUID="1.2.3.5")
    volume = only(tmp_path).volume
    assert volume.array.shape[0] == 2
    assert any("same place" in said for said in volume.geometry.unsafe)


def test_a_broken_copy_does_not_replace_the_good_file(tmp_path: Path) -> None:
    (path,) = save_stack(tmp_path, ramp(1), along_z(1))
    (tmp_path / "z_broken.dcm").write_bytes(path.read_bytes()[:-10])
    results = read(tmp_path)
    assert sorted(type(r).__name__ for r in results) == ["ReadSeries", "Refusal"]


def test_one_broken_slice_is_refused_and_the_rest_is_read(tmp_path: Path) -> None:
    paths = save_stack(tmp_path, ramp(), along_z(5))
    paths[2].write_bytes(paths[2].read_bytes()[:-20])
    refusal, rest = read(tmp_path)
    assert isinstance(refusal, Refusal)
    assert refusal.path == paths[2]
    assert isinstance(rest, ReadSeries)
    np.testing.assert_array_equal(rest.volume.array, ramp()[[0, 1, 3, 4]])
    assert any("Slices missing" in said for said in rest.volume.geometry.unsafe)
    assert any("1 of 5 files" in said for said in rest.volume.warnings)


def test_enhanced_frames_lie_where_their_functional_groups_say(tmp_path: Path) -> None:
    order = [3, 0, 2, 1]
    orientation = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
    groups = functional_groups([[-30.0 - 3 * k, 1.0, 2.0] for k in order], orientation, (0.9, 0.8))
    save(dataset(ramp(4)[order], "MR", **groups), tmp_path / "e.dcm")
    volume = only(tmp_path).volume
    np.testing.assert_array_equal(volume.array, ramp(4))
    assert volume.geometry.spacing == pytest.approx((3.0, 0.9, 0.8))
    assert volume.geometry.world((3, 2, 5)) == pytest.approx((-39, 1 + 5 * 0.8, 2 - 2 * 0.9))
    assert volume.geometry.unsafe == ()


def test_cine_frames_are_time_and_uncalibrated(tmp_path: Path) -> None:
    save(dataset(ramp(4).astype(np.uint8), "US"), tmp_path / "cine.dcm")
    volume = only(tmp_path).volume
    assert volume.geometry.unit is Unit.PIXEL
    assert any("time, not space" in said for said in volume.geometry.unsafe)
    assert volume.array.dtype == np.uint8


def test_ultrasound_region_calibrates(tmp_path: Path) -> None:
    region = Dataset()
    region.RegionSpatialFormat, region.PhysicalUnitsXDirection, region.PhysicalUnitsYDirection = 1, 3, 3
    region.PhysicalDeltaX, region.PhysicalDeltaY = 0.02, 0.03
    ds = dataset(ramp(1)[0].astype(np.uint8), "US", SequenceOfUltrasoundRegions=DicomSequence([region]))
    geometry = only(save(ds, tmp_path / "us.dcm")).volume.geometry
    assert geometry.unit is Unit.MM
    assert geometry.spacing[1:] == pytest.approx((0.3, 0.2))


def test_missing_pixel_spacing_means_pixels(tmp_path: Path) -> None:
    (path,) = save_stack(tmp_path, ramp(1), along_z(1))
    ds = pydicom.dcmread(path)
    del ds.PixelSpacing
    geometry = only(save(ds, path)).volume.geometry
    assert geometry.unit is Unit.PIXEL
    assert geometry.spacing == pytest.approx((1, 1, 1))
    assert geometry.unsafe


def test_radiograph_spacing_is_at_the_detector_and_directions_come_from_patient_orientation(tmp_path: Path) -> None:
    ds = dataset(ramp(1)[0].astype(np.uint16), "DX", ImagerPixelSpacing=[0.2, 0.1], PatientOrientation=["L", "F"])
    ds.PhotometricInterpretation = "MONOCHROME1"
    volume = only(save(ds, tmp_path / "dx.dcm")).volume
    assert volume.inverted
    assert volume.geometry.spacing[1:] == pytest.approx((0.2, 0.1))
    assert volume.geometry.direction[:, 2].tolist() == [1, 0, 0]
    assert volume.geometry.direction[:, 1].tolist() == [0, 0, -1]
    assert any("at the detector" in said for said in volume.warnings)
    assert volume.windows[0].name == "auto"


def test_every_window_of_the_file_comes_with_its_name(tmp_path: Path) -> None:
    tags: dict[str, Any] = {
        "WindowCenter": [40, -600, 7],
        "WindowWidth": [400, 1500, 0],
        "WindowCenterWidthExplanation": ["SOFT", "LUNG", "NONE"],
        "VOILUTFunction": "SIGMOID",
    }
    save_stack(tmp_path, ramp(2), along_z(2), **tags)
    volume = only(tmp_path).volume
    assert volume.windows == (
        Window(40, 400, "SOFT", WindowFunction.SIGMOID),
        Window(-600, 1500, "LUNG", WindowFunction.SIGMOID),
    )
    assert any("no width" in said for said in volume.warnings)


@pytest.mark.parametrize(
    ("pixels", "slope"),
    [
        (np.array([[0, 40000], [65535, 7]], np.uint16), 1.0),
        (np.array([[-100000, -99999], [-60000, -50000]], np.int32), 2.0),
        (np.array([[-5, 7], [127, -128]], np.int8), 1.0),
    ],
)
def test_wide_integers_are_kept_exactly(tmp_path: Path, pixels: NDArray[Any], slope: float) -> None:
    ds = dataset(pixels, "MR", RescaleSlope=str(slope), RescaleIntercept="3")
    volume = only(save(ds, tmp_path / "wide.dcm")).volume
    np.testing.assert_array_equal(volume.array[0] * volume.slope + volume.intercept, pixels * slope + 3)


def test_float_pixels_are_quantised_and_nan_is_padding(tmp_path: Path) -> None:
    pixels = np.array([[0.1, 2.5], [np.nan, 1e3]], np.float32)
    volume = only(save(dataset(pixels, "MR"), tmp_path / "float.dcm")).volume
    values = volume.values()[0]
    step = (1e3 - 0.1) / 65534
    np.testing.assert_allclose(values[~np.isnan(pixels)], pixels[~np.isnan(pixels)], atol=step)
    assert volume.padding == volume.array[0, 1, 0]
    assert any("step of 0.0153" in said for said in volume.warnings)
    assert any("NaN" in said for said in volume.warnings)


def test_rescale_that_changes_from_slice_to_slice_is_brought_to_one(tmp_path: Path) -> None:
    for k, slope in enumerate(("0.5", "2.25")):
        save_stack(
            tmp_path / str(k), ramp(1), [[0, 0, float(k)]], modality="PT", RescaleSlope=slope, RescaleIntercept="0"
        )
    volume = only(tmp_path).volume
    np.testing.assert_allclose(volume.values()[0], ramp(1)[0] * 0.5, atol=0.01)
    np.testing.assert_allclose(volume.values()[1], ramp(1)[0] * 2.25, atol=0.01)


def test_colour_is_rgb_bytes(tmp_path: Path) -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (5, 4, 3), dtype=np.uint8)
    volume = only(save(dataset(rgb, "OT", SamplesPerPixel=3), tmp_path / "rgb.dcm")).volume
    assert volume.quantity is Quantity.COLOUR
    np.testing.assert_array_equal(volume.array[0], rgb)


def test_palette_becomes_colour_while_indices_are_hashed(tmp_path: Path) -> None:
    indices = np.array([[0, 1], [2, 1]], np.uint8)
    tags: dict[str, Any] = {}
    tables = {"Red": [0, 255, 9], "Green": [10, 20, 30], "Blue": [0, 0, 255]}
    for colour, entries in tables.items():
        tags[f"{colour}PaletteColorLookupTableDescriptor"] = [3, 0, 16]
        tags[f"{colour}PaletteColorLookupTableData"] = np.array(entries, np.uint16).__lshift__(8).tobytes()
    ds = dataset(indices, "US", **tags)
    ds.PhotometricInterpretation = "PALETTE COLOR"
    palette = only(save(ds, tmp_path / "p.dcm"))
    expected = np.stack([np.array(t, np.uint8)[indices] for t in tables.values()], axis=-1)
    np.testing.assert_array_equal(palette.volume.array[0], expected)
    assert palette.decoded.shape == (1, 2, 2)


def test_no_identity_leaves_the_reader(tmp_path: Path) -> None:
    tags = {"SeriesDescription": "THORAX of Test patient", "AccessionNumber": "ACC77", "PatientBirthDate": "19501231"}
    save_stack(tmp_path / "x", ramp(2), along_z(2), **tags)
    found = only(tmp_path)
    shown = repr(found).replace(found.pseudonym_source, "").casefold()
    for secret in ("patient^", "test^", "acc77", "19501231", "thorax"):
        assert secret not in shown.replace(str(tmp_path).casefold(), "")
    assert found.pseudonym_source == "TEST-1"
    plain = save_stack(
        tmp_path / "y", ramp(2), along_z(2), SeriesDescription="THORAX 1.0\nB70", SeriesInstanceUID="1.9"
    )
    assert only(*plain).description == "THORAX 1.0 B70"


def test_a_claim_of_terabytes_is_refused_before_allocation(tmp_path: Path) -> None:
    ds = dataset(ramp(1)[0], Rows=65535, Columns=65535, NumberOfFrames=2000)
    assert "too large" in refused(save(ds, tmp_path / "huge.dcm")).error.what
    ds = dataset(ramp(1)[0], Rows=20000, Columns=20000)
    assert "end early" in refused(save(ds, tmp_path / "short.dcm")).error.what


def test_files_without_pixels_say_what_they_are(tmp_path: Path) -> None:
    ds = dataset(ramp(1)[0])
    del ds.PixelData
    assert "holds no image" in refused(save(ds, tmp_path / "none.dcm")).error.what


def test_headerless_files_are_read_in_the_default_syntax(tmp_path: Path) -> None:
    ds = dataset(ramp(1)[0], "CT", RescaleSlope="1", RescaleIntercept="0")
    ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    path = save(ds, tmp_path / "bare")
    raw = path.read_bytes()
    path.write_bytes(raw[raw.index(b"\x08\x00\x16\x00") :])
    np.testing.assert_array_equal(only(path).volume.array[0], ramp(1)[0])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1), flips=st.integers(1, 12), keep=st.floats(0.3, 1.0))
def test_damaged_bytes_give_a_volume_or_a_sentence(tmp_path: Path, seed: int, flips: int, keep: float) -> None:
    whole = tmp_path / "whole.dcm"
    if not whole.exists():
        groups = functional_groups(along_z(3), AXIAL, (1, 1))
        save(
            dataset(ramp(3), "MR", WindowCenter=[1, 2], WindowWidth=[3, 4], PatientOrientation=["L", "F"], **groups),
            whole,
        )
    rng = np.random.default_rng(seed)
    data = bytearray(whole.read_bytes())
    for at in rng.integers(132, len(data), flips):
        data[at] = rng.integers(0, 256)
    damaged = tmp_path / "damaged.dcm"
    damaged.write_bytes(bytes(data[: int(len(data) * keep)]))
    for result in read(damaged):
        assert isinstance(result, ReadSeries | Refusal)


def test_jpeg_frames_that_are_not_what_the_header_says_are_refused(tmp_path: Path) -> None:
    """Native decoders end the process on some of these, so they must be stopped before."""
    stream = BytesIO()
    Image.fromarray(np.full((16, 16), 90, np.uint8)).save(stream, "JPEG")
    frame = stream.getvalue()
    scan, size = frame.index(b"\xff\xda"), frame.index(b"\xff\xc0")
    damaged = {
        "rows": frame[: size + 5] + b"\x40\x00" + frame[size + 7 :],
        "scan": frame[: scan + 8] + b"\x05" + frame[scan + 9 :],
        "empty": frame[:20],
    }
    for name, data in ({"good": frame} | damaged).items():
        ds = dataset(np.zeros((16, 16), np.uint8), "OT")
        ds.PixelData = encapsulate([data])
        ds["PixelData"].is_undefined_length = True
        ds.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
        path = save(ds, tmp_path / f"{name}.dcm")
        if name == "good":
            assert abs(only(path).volume.array.mean() - 90) < 2
        else:
            assert "JPEG data" in refused(path).error.what, name

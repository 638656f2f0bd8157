"""CXR_LUNGS with its shipped weights: it finds lungs, refuses what is no chest radiograph, and can be trained again."""

import json
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter, label

from backend.domain.errors import UserError
from backend.domain.geometry import Geometry, Unit
from backend.domain.volume import Volume
from backend.experts.card import Draft, Prompt
from backend.experts.cxr_lungs import CARD, EXPERT, weights_file
from backend.learn.cxr_cases import grey, records
from backend.learn.cxr_lungs import Settings, main, split
from backend.measure.dice import dice
from backend.phantoms.chest_xray import XrayPhantom, radiograph

SEED = 41  # not among the phantoms that the weights learned from, which start at 10000


@cache
def made(seed: int, size: int) -> XrayPhantom:
    return radiograph(seed, size)


def volume_of(pixels: NDArray[np.generic], **rest: object) -> Volume:
    """A 2D image as a volume."""
    geometry = Geometry.of((1, *pixels.shape[:2]), np.eye(4), unit=Unit.PIXEL)
    return Volume(pixels[None], geometry, **rest)  # type: ignore[arg-type]


def drafts(volume: Volume) -> list[Draft]:
    found = list(EXPERT.propose(volume, Prompt(), lambda share, step: None))
    assert all(isinstance(draft, Draft) for draft in found)
    return [draft for draft in found if isinstance(draft, Draft)]


def lungs(volume: Volume) -> NDArray[np.bool_]:
    """Both proposed masks together, (j, i)."""
    right, left = (draft.mask for draft in drafts(volume))
    assert right is not None
    assert left is not None
    return (right | left)[0]


@pytest.mark.parametrize(
    ("a", "b", "expected"), [([1, 1, 0], [1, 0, 0], 2 / 3), ([0, 0], [0, 0], 1), ([1, 0], [0, 1], 0)]
)
def test_dice(a: list[int], b: list[int], expected: float) -> None:
    assert dice(np.array(a, bool), np.array(b, bool)) == pytest.approx(expected)


def test_dice_refuses_different_grids() -> None:
    with pytest.raises(ValueError, match="different grids"):
        dice(np.zeros((2, 2), bool), np.zeros((2, 1), bool))


def test_card_loads_without_torch() -> None:
    code = "import sys; from backend.experts.cxr_lungs import EXPERT; EXPERT.fingerprint()"
    code += "; print({'torch', 'scipy', 'PIL'} & set(sys.modules))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "set()"


def test_weights_are_small_and_their_card_names_licences() -> None:
    assert weights_file().stat().st_size <= 2_000_000
    text = (weights_file().parent / "card.md").read_text(encoding="utf-8")
    assert "Not a medical device" in text
    assert "CC BY 3.0" in text


def test_finds_the_lungs_of_a_phantom() -> None:
    phantom = made(SEED, 400)
    right, left = drafts(volume_of(phantom.pixels))
    assert (right.code.meaning, left.code.meaning) == ("Right lung", "Left lung")
    assert (right.site, left.site) == ("right", "left")
    for draft, truth in ((right, phantom.right_lung), (left, phantom.left_lung)):
        assert draft.mask is not None
        assert draft.mask.shape == (1, 400, 400)
        assert dice(draft.mask[0], truth) >= 0.85
        assert label(draft.mask[0])[1] == 1, "one piece"
        assert draft.certainty is not None
        assert 0.75 <= draft.certainty <= 1


@pytest.mark.parametrize(
    "change",
    [
        lambda p: volume_of(255 - p, inverted=True),
        lambda p: volume_of(p.astype(np.int16) * 16 - 1024, slope=0.5, intercept=300.0),
        lambda p: volume_of(np.stack([p] * 3, axis=-1)),
        lambda p: volume_of(np.pad(p, ((0, 0), (60, 60)))),
        lambda p: volume_of(p[::2, ::2]),
    ],
    ids=["MONOCHROME1", "16 bit", "grey in three channels", "black borders", "smaller"],
)
def test_the_encoding_of_the_picture_does_not_matter(change: Callable[[NDArray[np.uint8]], Volume]) -> None:
    phantom = made(SEED, 400)
    truth = phantom.right_lung | phantom.left_lung
    found = lungs(change(phantom.pixels))
    if found.shape[1] > 400:
        found = found[:, 60:-60]
    step = 400 // found.shape[0]
    assert dice(found, truth[::step, ::step]) >= 0.85


def noise(seed: int) -> NDArray[np.uint8]:
    field = gaussian_filter(np.random.default_rng(seed).normal(size=(300, 300)), 12 * (seed % 2))
    return (255 * (field - field.min()) / np.ptp(field)).astype(np.uint8)


def coloured() -> NDArray[np.uint8]:
    return np.stack([noise(1), noise(3), noise(5)], axis=-1)


@pytest.mark.parametrize(
    ("volume", "what"),
    [
        (volume_of(coloured()), "colour"),
        (volume_of(np.full((200, 200), 7, np.uint8)), "empty"),
        (volume_of(np.zeros((20, 20), np.uint8)), "too small"),
        (Volume(np.zeros((5, 90, 90), np.int16), Geometry.of((5, 90, 90), np.eye(4))), "stack"),
        (volume_of(noise(0)), "frontal chest radiograph"),
        (volume_of(noise(1)), "frontal chest radiograph"),
        (volume_of(radiograph(SEED, 256).pixels[:, 40:110]), "frontal chest radiograph"),
    ],
    ids=["colour", "flat", "tiny", "stack", "white noise", "clouds", "one lung"],
)
def test_refuses_what_is_no_chest_radiograph(volume: Volume, what: str) -> None:
    with pytest.raises(UserError, match=what):
        drafts(volume)


def test_refuses_real_pictures_of_other_things(shared_data: Path) -> None:
    files = [f for f in sorted((shared_data / "colour").rglob("*")) if f.suffix.lower() in {".jpg", ".png", ".jpeg"}]
    masked = []
    for file in files[:40]:
        pixels = grey(file).astype(np.uint8)
        if min(pixels.shape) < 64:
            continue
        try:
            drafts(volume_of(pixels))
            masked.append(file.name)
        except UserError:
            pass
    assert masked == []


def test_held_out_radiographs(shared_data: Path) -> None:
    """The figure on the card, measured again."""
    scores = []
    for record in records(shared_data / "cxr_lungmask"):
        found = lungs(volume_of(grey(record.image).astype(np.uint8)))
        scores.append(dice(found, grey(record.mask) > 127))
    assert np.mean(scores) >= 0.90
    assert min(scores) >= 0.85
    stated = next(a for a in CARD.accuracy if not a.development)
    assert stated.n == len(scores)
    assert np.mean(scores) == pytest.approx(stated.value, abs=0.01)


def test_patients_are_never_split(shared_data: Path) -> None:
    everything = records(shared_data / "learn_cxr_lungs")
    held_out = {record.patient for record in records(shared_data / "cxr_lungmask")}
    parts = split(everything, held_out, 0.2, seed=0)
    learn, validate = ({record.patient for record in part} for part in (parts.learn, parts.validate))
    assert not learn & validate
    assert not (learn | validate) & held_out
    assert len(parts.learn) + len(parts.validate) + parts.left_out == len(everything)
    assert parts.left_out > 0, "the two folders share patients"


def made_folder(folder: Path) -> Path:
    """Three phantoms in the layout that the training command reads."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    entries = []
    for n in range(3):
        phantom = made(n, 96)
        Image.fromarray(phantom.pixels).save(folder / "images" / f"p{n}.png")
        Image.fromarray((phantom.right_lung | phantom.left_lung).astype(np.uint8) * 255).save(
            folder / f"masks/p{n}.png"
        )
        entries.append({"filename": f"p{n}.jpg", "patientid": str(n), "license": "CC0", "url": "made", "doi": ""})
    (folder / "metadata.json").write_text(json.dumps(entries), encoding="utf-8")
    return folder


def test_a_short_training_run_writes_the_same_weights_twice(tmp_path: Path) -> None:
    data = made_folder(tmp_path / "pictures")
    told = ["--data", str(data), "--steps", "2", "--phantoms", "1", "--seed", "5"]
    for name in ("one", "two"):
        assert main([*told, "--out", str(tmp_path / name)]) == 0
    one, two = ((tmp_path / name / "weights.safetensors").read_bytes() for name in ("one", "two"))
    assert one == two
    assert "3 under CC0" in (tmp_path / "one" / "card.md").read_text(encoding="utf-8")


def test_training_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--data", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "metadata.json" in capsys.readouterr().err
    assert Settings(tmp_path, tmp_path).steps >= 1000

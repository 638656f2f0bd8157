"""Pictures to learn lung fields from: real radiographs with masks, phantoms, and pictures that hold no chest."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.domain.errors import UserError
from backend.experts.cxr_lungs import resized, scaled
from backend.phantoms.chest_xray import radiograph

SIDE = 256  # pictures are kept at this size and augmented from it
BACKGROUND, RIGHT, LEFT = 0, 1, 2
LAYOUT = "Give a folder with images/NAME.png, masks/NAME.png and metadata.json (filename, patientid, license)"


@dataclass(frozen=True)
class Record:
    """One radiograph on disk. patient: id within its source, for splitting; source: where it came from."""

    image: Path
    mask: Path
    patient: str
    licence: str
    source: str


@dataclass(frozen=True)
class Case:
    """picture: (SIDE, SIDE) float32 in 0-1; labels: (SIDE, SIDE) uint8 of BACKGROUND, RIGHT, LEFT."""

    picture: NDArray[np.float32]
    labels: NDArray[np.uint8]


def records(folder: Path) -> list[Record]:
    """The radiographs of a folder in the order of its metadata.json; UserError when a part is missing."""
    index = folder / "metadata.json"
    if not index.is_file():
        raise UserError("This folder holds no metadata.json", str(folder), LAYOUT)
    found = []
    for entry in json.loads(index.read_text(encoding="utf-8")):
        stem = Path(entry["filename"]).stem
        image, mask = _one_of(folder / "images", stem), _one_of(folder / "masks", stem)
        source = f"{entry.get('url', '')} doi:{entry.get('doi', '')}"
        found.append(Record(image, mask, str(entry["patientid"]), str(entry["license"]), source))
    return found


def _one_of(folder: Path, stem: str) -> Path:
    for name in (f"{stem}.png", f"{stem}.jpg", f"{stem}_lungs.png"):
        if (folder / name).is_file():
            return folder / name
    raise UserError(f"There is no picture of {stem}", str(folder), LAYOUT)


def grey(path: Path) -> NDArray[np.float32]:
    """(j, i) float32 of an 8-bit picture."""
    from PIL import Image

    with Image.open(path) as picture:
        return np.asarray(picture.convert("L"), dtype=np.float32)


def read_case(record: Record) -> Case:
    """Picture and labels at SIDE x SIDE."""
    labels = sides(grey(record.mask) > 127)
    return Case(resized(scaled(grey(record.image)), (SIDE, SIDE)), _shrunk(labels))


def _shrunk(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    parts = np.stack([resized((labels == n).astype(np.float32), (SIDE, SIDE)) for n in (BACKGROUND, RIGHT, LEFT)])
    likeliest: NDArray[np.uint8] = np.argmax(parts, axis=0).astype(np.uint8)
    return likeliest


def sides(lungs: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Label each lung of a joint mask: the patient's right lung lies on the image's left.

    Each part goes to the side its centre lies on; a mask in one piece is cut down the middle.
    """
    from scipy.ndimage import center_of_mass, label

    parts, count = label(lungs)
    middle = float(np.argwhere(lungs)[:, 1].mean())
    if count == 1:
        columns = np.arange(lungs.shape[1])[None, :]
        return np.where(lungs, np.where(columns < middle, RIGHT, LEFT), BACKGROUND).astype(np.uint8)
    table = np.zeros(count + 1, dtype=np.uint8)
    for n in range(1, count + 1):
        table[n] = RIGHT if center_of_mass(parts == n)[1] < middle else LEFT
    named: NDArray[np.uint8] = table[parts]
    return named


def phantom_case(seed: int) -> Case:
    phantom = radiograph(seed, SIDE)
    labels = np.where(phantom.right_lung, RIGHT, np.where(phantom.left_lung, LEFT, BACKGROUND)).astype(np.uint8)
    return Case(scaled(phantom.pixels.astype(np.float32)), labels)


def empty_cases(chests: list[Case], count: int, random: np.random.Generator) -> Iterator[Case]:
    """Pictures without lung fields, all labelled background, so that the network learns to find nothing."""
    from scipy.ndimage import gaussian_filter

    for n in range(count):
        kind = n % 5
        if kind == 0:  # texture
            picture = gaussian_filter(random.normal(size=(SIDE, SIDE)), random.uniform(0.5, 30))
        elif kind == 1:  # cells
            picture = _blobs(random)
        elif kind == 2:  # a lesion of the skin, a retina, an organ
            picture = _lesion(random)
        elif kind == 3:  # fingers, limbs, cables
            picture = _limbs(random)
        else:  # a chest cut into tiles and shuffled: right texture, wrong anatomy
            tiles = int(random.choice([4, 8]))
            step = SIDE // tiles
            whole = chests[random.integers(len(chests))].picture
            cut = [whole[j : j + step, i : i + step] for j in range(0, SIDE, step) for i in range(0, SIDE, step)]
            order = random.permutation(len(cut))
            picture = np.block([[cut[order[r * tiles + c]] for c in range(tiles)] for r in range(tiles)])
        yield Case(scaled(picture.astype(np.float32)), np.zeros((SIDE, SIDE), dtype=np.uint8))


def _blobs(random: np.random.Generator) -> NDArray[np.float64]:
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    picture = random.normal(0, 0.5) * x + random.normal(0, 0.5) * y
    size = random.uniform(0.02, 0.3)
    for _ in range(int(random.integers(1, 1 + max(2, round(0.6 / size))))):
        u, v = x - random.random(), y - random.random()
        turn, flat = random.uniform(0, np.pi), random.uniform(0.5, 1)
        across = np.hypot(np.cos(turn) * u + np.sin(turn) * v, (np.cos(turn) * v - np.sin(turn) * u) / flat)
        sharp, radius = random.uniform(0.004, 0.05), size * random.uniform(0.7, 1.3)
        outer, inner = (1 / (1 + np.exp(-np.clip((r - across) / sharp, -30, 30))) for r in (radius, 0.45 * radius))
        picture = picture + random.normal(0.3, 1) * (outer - random.uniform(-0.5, 1) * inner)
    noisy: NDArray[np.float64] = picture + random.normal(0, random.uniform(0.01, 0.15), picture.shape)
    return noisy


def _lesion(random: np.random.Generator) -> NDArray[np.float64]:
    """One large patch with an uneven edge, hairs across it, and often the round shade of a lens."""
    from scipy.ndimage import gaussian_filter

    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE - 0.5
    uneven = gaussian_filter(random.normal(size=(SIDE, SIDE)), random.uniform(6, 25))
    u, v = x - random.normal(0, 0.08), (y - random.normal(0, 0.08)) * random.uniform(0.6, 1.6)
    edge = random.uniform(0.1, 0.4) - np.hypot(u, v) + random.uniform(0, 0.09) * uneven / uneven.std()
    picture = random.normal(0, 1) / (1 + np.exp(-np.clip(edge / random.uniform(0.005, 0.06), -30, 30)))
    picture = picture + 0.15 * uneven / uneven.std()
    for _ in range(int(random.integers(0, 12))):
        slope, curve, level = random.normal(0, 1), random.normal(0, 2), random.uniform(-0.5, 0.5)
        along, across = (x, y) if random.random() < 0.5 else (y, x)
        picture -= 0.5 * (np.abs(across - level - slope * along - curve * along**2) < random.uniform(0.003, 0.012))
    if random.random() < 0.5:
        picture = np.where(np.hypot(x, y) < random.uniform(0.42, 0.65), picture, picture.min() - 0.3)
    noisy: NDArray[np.float64] = picture + random.normal(0, 0.03, picture.shape)
    return noisy


def _limbs(random: np.random.Generator) -> NDArray[np.float64]:
    """A palm of soft tissue with rods of bone that fan out of it."""
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    picture = np.zeros((SIDE, SIDE))
    foot = np.array([random.uniform(0.3, 0.7), random.uniform(0.7, 1.1)])
    fan, middle = random.uniform(0.2, 1.6), random.normal(0, 0.4)
    for angle in middle + np.linspace(-fan / 2, fan / 2, int(random.integers(1, 6))):
        heading = np.array([np.sin(angle), -np.cos(angle)])
        along = np.clip((x - foot[0]) * heading[0] + (y - foot[1]) * heading[1], 0, random.uniform(0.5, 1.1))
        away = np.hypot(x - foot[0] - along * heading[0], y - foot[1] - along * heading[1])
        thick = random.uniform(0.03, 0.09)
        knuckle = 1 + 0.25 * np.cos(along * random.uniform(15, 35))
        picture = np.maximum(picture, 0.45 * (away < thick) * np.sqrt(np.clip(1 - (away / thick) ** 2, 0, 1)))
        picture += 0.5 * (away < 0.45 * thick * knuckle)
    palm = np.hypot(x - foot[0], y - foot[1]) < random.uniform(0.1, 0.35)
    noisy: NDArray[np.float64] = np.maximum(picture, 0.5 * palm) + random.normal(0, 0.02, picture.shape)
    return noisy

"""CXR_LUNGS: outlines both lung fields of a frontal chest radiograph with a small U-Net.

Reading the card needs numpy alone; torch, scipy and Pillow load when an image is segmented. The network sees the whole
image squeezed to a square, so aspect ratio and resolution do not matter, and gives three probabilities per pixel:
background, right lung, left lung. Sides follow the standard display: the patient's right lung is on the image's left.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.domain.errors import UserError
from backend.domain.review import Code
from backend.domain.volume import Volume
from backend.experts.card import Accuracy, Card, Draft, Progress, Prompt, SpotDraft, assets_folder

SIDE = 160  # the network's input, pixels
CLASSES = 3
PERCENTILES = (1.0, 99.0)
BRIDGE = 5  # pixels of the network's grid
SETTINGS = f"{SIDE} {PERCENTILES} {BRIDGE} mirror components holes"
SMALLEST = 64  # an image with a shorter side shows too little to judge
COLOUR_STEP, COLOUR_SHARE = 24, 0.01  # grey level difference between channels, and share of pixels, that make colour
LEAST_CERTAINTY = 0.82  # on 93 chest radiographs the lower of the two lungs' means was 0.83 or more
MOST_SCATTERED = 0.3  # share of the network's foreground that is no part of either lung; 0.2 at most on those 93
LUNGS = ((Code("Right lung", "SCT", "3341006"), "right"), (Code("Left lung", "SCT", "44029006"), "left"))

CARD = Card(
    name="CXR_LUNGS",
    title="Lung fields on a chest radiograph",
    version="1",
    task="segmentation",
    modalities=("CR", "DX", "OT", ""),
    body_parts=("CHEST", "THORAX", "LUNG"),
    assumptions=(
        "One frontal chest radiograph, PA or AP, displayed upright with the patient's right on the image's left",
        "An adult",
        "Grey-scale; either polarity",
    ),
    accuracy=(
        Accuracy(
            "Dice", 0.932, "SD 0.051", 6, "validation patients of the learning set, COVID-19, mostly one hospital", True
        ),
        Accuracy(
            "Dice", 0.948, "SD 0.022, lowest 0.913", 9, "other patients of that hospital, not learned from", False
        ),
    ),
    licence="Apache-2.0; learned from CC BY 3.0 and CC BY 4.0 radiographs, see the card of the weights",
    memory_mb=600,
    weights="cxr_lungs/weights.safetensors",
    limits=(
        "Takes the image's left for the patient's right: a mirrored radiograph gets its sides swapped",
        "Outlines follow the V7 Labs convention: down to the dome, with the lung behind the heart",
        "A lung that is wholly white is guessed from its surroundings",
        "Not tried on children, lateral views, or after lung surgery",
        "For research; not a medical device",
    ),
)


@dataclass(frozen=True)
class LungFields:
    """right, left: (j, i) bool, one piece each without holes. certainties: mean probability within each."""

    right: NDArray[np.bool_]
    left: NDArray[np.bool_]
    certainties: tuple[float, float]


class CxrLungs:
    """The expert; holds no state, the network is cached per process."""

    card = CARD

    def fingerprint(self) -> str:
        """sha256 over the weights file, the settings and the card's version."""
        digest = hashlib.sha256(weights_file().read_bytes())
        digest.update(f"{SETTINGS} {CARD.version}".encode())
        return digest.hexdigest()

    def propose(self, volume: Volume, prompt: Prompt, progress: Progress) -> Iterator[Draft | SpotDraft]:
        """Two drafts, right then left, masks (1, j, i). UserError when this is no frontal chest radiograph."""
        picture = picture_of(volume)
        progress(0.2, "loading the network")
        network = shipped_network()
        progress(0.4, "outlining the lungs")
        fields = lung_fields(picture, network)
        masks = (fields.right, fields.left)
        for (code, site), mask, certainty in zip(LUNGS, masks, fields.certainties, strict=True):
            yield Draft(code, mask=mask[None], site=site, certainty=round(certainty, 3))
        progress(1.0, "done")


EXPERT = CxrLungs()


def weights_file() -> Path:
    return assets_folder() / CARD.weights


def picture_of(volume: Volume) -> NDArray[np.float32]:
    """(j, i) float32 in 0-1, bone bright. UserError for 3D, colour, tiny or empty images."""
    if volume.geometry.shape[0] != 1:
        raise UserError(
            "This expert reads one radiograph, not a stack", f"{volume.geometry.shape[0]} slices", "Choose one image"
        )
    if min(volume.geometry.shape[1:]) < SMALLEST:
        found = "x".join(str(n) for n in volume.geometry.shape[:0:-1])
        raise UserError("This image is too small for lung outlines", f"{found} pixels", "Import it at full size")
    if volume.is_colour and _is_coloured(volume.array[0]):
        raise UserError(
            "This is a colour image, not a radiograph", "differing red, green and blue", "Choose a radiograph"
        )
    values = volume.values()[0]
    measured = values if volume.padding is None or volume.is_colour else values[volume.array[0] != volume.padding]
    picture = scaled(values, measured)
    return 1 - picture if volume.inverted else picture


def _is_coloured(rgb: NDArray[np.uint8]) -> bool:
    spread = rgb.max(axis=-1).astype(np.int16) - rgb.min(axis=-1)
    return float(np.mean(spread > COLOUR_STEP)) > COLOUR_SHARE


def scaled(values: NDArray[np.float32], measured: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """Values between the outer percentiles of `measured` (all by default) mapped to 0-1. UserError when flat."""
    sample = values if measured is None else measured
    low, high = np.percentile(sample, PERCENTILES) if sample.size else (0.0, 0.0)
    if not high > low:
        raise UserError("This image is empty", f"nearly every pixel is {low:g}", "Choose another image")
    unit: NDArray[np.float32] = np.clip((values - low) / (high - low), 0, 1).astype(np.float32)
    return unit


def resized(picture: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """(j, i) float32 resampled to `shape`, bilinear, averaging when it shrinks."""
    from PIL import Image

    smaller = Image.fromarray(picture).resize(shape[::-1], Image.Resampling.BILINEAR)
    return np.asarray(smaller, dtype=np.float32)


def load_network(file: Path) -> Any:
    """The U-Net with the weights of a safetensors file, ready to predict."""
    from safetensors.torch import load_file

    from backend.experts.unet import UNet

    network = UNet(CLASSES)
    network.load_state_dict({name: tensor.float() for name, tensor in load_file(str(file)).items()})
    return network.to(_device()).eval()


@cache
def shipped_network() -> Any:
    return load_network(weights_file())


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def probabilities(picture: NDArray[np.float32], network: Any) -> NDArray[np.float32]:
    """(2, SIDE, SIDE): right and left lung, the mean over the picture and its mirror image."""
    import torch

    small = torch.from_numpy(resized(picture, (SIDE, SIDE)).copy())
    pair = torch.stack([small, small.flip(1)])[:, None].to(next(network.parameters()).device)
    with torch.inference_mode():
        lungs = network(pair).softmax(1)[:, 1:].float().cpu()
    both: NDArray[np.float32] = ((lungs[0] + lungs[1].flip(2)[[1, 0]]) / 2).numpy()
    return both


def lung_fields(picture: NDArray[np.float32], network: Any) -> LungFields:
    """Outlines at the picture's own resolution. UserError when they do not look like two lungs."""
    raw = probabilities(picture, network)
    small = _without_bridges(raw)
    if (small.sum(0) > 0.5).sum() < (1 - MOST_SCATTERED) * (raw.sum(0) > 0.5).sum():
        _refuse("lung-like texture in many places")
    right, left = (resized(part, (picture.shape[0], picture.shape[1])) for part in small)
    inside = right + left > 0.5
    masks = (_largest(inside & (right >= left)), _largest(inside & (right < left)))
    certainties = [float((right + left)[mask].mean()) if mask.any() else 0.0 for mask in masks]
    _refuse_implausible(masks[0], masks[1], min(certainties))
    return LungFields(masks[0], masks[1], (certainties[0], certainties[1]))


def _without_bridges(small: NDArray[np.float32]) -> NDArray[np.float32]:
    """Set to zero what hangs on a lung by a strip thinner than BRIDGE: an arm's edge, a fold, the space outside.

    The core is each side's foreground after an opening; what lies within 1.5 BRIDGE of its largest part is kept, so the
    sharp angles that the opening rounds off come back.
    """
    from scipy.ndimage import binary_opening, distance_transform_edt

    j, i = np.mgrid[-BRIDGE : BRIDGE + 1, -BRIDGE : BRIDGE + 1]
    disc = np.hypot(j, i) <= BRIDGE
    kept = small.copy()
    for n, side in enumerate(small):
        core = _largest(binary_opening((small.sum(0) > 0.5) & (side >= small[1 - n]), disc))
        if core.any():
            kept[n][distance_transform_edt(~core) > 1.5 * BRIDGE] = 0
    return kept


def _largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest connected part with its holes filled."""
    from scipy.ndimage import binary_fill_holes, label

    parts, count = label(mask)
    if count == 0:
        return mask
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    filled: NDArray[np.bool_] = binary_fill_holes(parts == sizes.argmax())
    return filled


def _refuse_implausible(right: NDArray[np.bool_], left: NDArray[np.bool_], certainty: float) -> None:
    """UserError when the two regions cannot be the lungs of a frontal chest radiograph."""
    shares = float(right.mean()), float(left.mean())
    if min(shares) < 0.01:
        _refuse("no pair of lungs")
    if not 0.04 <= sum(shares) <= 0.65:
        _refuse(f"lung fields that cover {sum(shares):.0%} of the image")
    if max(shares) > 4.5 * min(shares):
        _refuse("one region many times larger than the other")
    spans = [(_span(mask, 1), _span(mask, 0)) for mask in (right, left)]
    (top, bottom), (other_top, other_bottom) = spans[0][0], spans[1][0]
    if min(bottom, other_bottom) - max(top, other_top) < 0.4 * max(bottom - top, other_bottom - other_top):
        _refuse("two regions that do not lie side by side")
    tallness = min((rows[1] - rows[0]) / (columns[1] - columns[0]) for rows, columns in spans)
    if tallness < 0.6:
        _refuse("regions wider than lungs are")
    if certainty < LEAST_CERTAINTY:
        _refuse(f"outlines with a mean probability of only {certainty:.2f}")


def _span(mask: NDArray[np.bool_], across: int) -> tuple[int, int]:
    """First and one past the last row (across 1) or column (across 0) that the mask touches."""
    hit = np.flatnonzero(mask.any(axis=across))
    return int(hit[0]), int(hit[-1]) + 1


def _refuse(found: str) -> None:
    raise UserError("This does not look like a frontal chest radiograph", found, "Choose a PA or AP chest image")

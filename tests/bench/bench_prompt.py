"""Click segmentation: Dice against the number of simulated clicks, and time a click, beside a marker watershed.

Three users are simulated. The plain one draws a box 4 voxels around the reference and clicks the deepest point of the
largest error. The perturbed one draws each side 2 to 8 voxels off and clicks anywhere in the inner half of that error;
its means are over several seeds and are what a change should be judged by. The third draws no box. References are human
except "ct_abdomen" and "ct_abdomen_more", which are another model's opinion (TotalSegmentator).
"""

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from backend.domain.geometry import Geometry
from backend.domain.region import Box3D, Point3D
from backend.domain.volume import Quantity, Volume
from backend.experts.card import Prompt
from backend.experts.prompt import segment
from backend.measure.dice import dice

CLICKS = 5
SHOWN = (1, 3, 5)
MARGIN = 4
MARGINS = (2, 8)
SEEDS = (1, 2, 3)
DROP = 0.03  # of Dice: a click that loses more is counted as harmful
HELD_OUT = ("ct_abdomen_more", "mr_hippocampus_more")  # no setting was chosen on these
STRUCTURES = {  # TotalSegmentator v2 classes
    "spleen": 1, "kidney right": 2, "kidney left": 3, "gallbladder": 4, "liver": 5, "stomach": 6, "pancreas": 7,
    "lower lobe right": 14, "colon": 20, "vertebra L1": 31, "aorta": 52, "back muscle left": 86,
}  # fmt: skip
MORE = {
    "lower lobe left": 11, "small bowel": 18, "duodenum": 19, "vertebra L2": 30, "vertebra T12": 32, "vena cava": 63,
    "portal vein": 64, "spinal cord": 79, "back muscle right": 87,
}  # fmt: skip
MORE_HIPPOCAMPI = 24

Method = Callable[[Volume, Prompt], NDArray[np.bool_]]


@dataclass(frozen=True)
class Case:
    group: str
    name: str
    volume: Volume
    reference: NDArray[np.bool_]


def read_nifti(path: Path, quantity: Quantity) -> Volume:
    """A NIfTI file as int16 (k, j, i) on an LPS grid. Read here, so that the importer cannot change the figures."""
    image = nibabel.load(path)
    array = np.ascontiguousarray(np.asanyarray(image.dataobj).transpose(2, 1, 0))
    affine = (np.diag([-1.0, -1.0, 1.0, 1.0]) @ image.affine)[:, [2, 1, 0, 3]]
    slope = max(float(np.abs(array).max()) / 32767, 1.0)  # some of the MR scans hold floats beyond 16 bits
    stored = np.round(array / slope).astype(np.int16)
    return Volume(stored, Geometry.of(stored.shape, affine), quantity, slope=slope)


def cases(shared_data: Path) -> Iterator[Case]:
    folder = shared_data / "nifti"
    whole = read_nifti(folder / "ct_abdomen_totalseg/ct.nii.gz", Quantity.HU)
    labels = read_nifti(folder / "ct_abdomen_totalseg/totalseg_labels.nii.gz", Quantity.ONE).array
    top = whole.array[-len(labels) :]  # the labels cover the uppermost slices, whatever their header says
    abdomen = Volume(np.ascontiguousarray(top), Geometry.of(top.shape, whole.geometry.matrix), Quantity.HU)
    for group, structures in (("ct_abdomen", STRUCTURES), ("ct_abdomen_more", MORE)):
        for name, label in structures.items():
            yield Case(group, name, abdomen, labels == label)
    spleen = folder / "ct_spleen"
    mask = read_nifti(spleen / "spleen_manual.nii.gz", Quantity.ONE).array > 0
    yield Case("ct_spleen", "spleen", read_nifti(spleen / "ct.nii.gz", Quantity.HU), mask)
    few = folder / "mr_hippocampus"
    known = {path.name for path in (few / "images").glob("*.nii.gz")}
    yield from _hippocampi("mr_hippocampus", few, sorted(known))
    more = shared_data / "learn_hippocampus"
    others = sorted(path.name for path in (more / "images").glob("*.nii.gz") if path.name not in known)
    yield from _hippocampi("mr_hippocampus_more", more, others[:MORE_HIPPOCAMPI])
    mask = read_nifti(folder / "mr_cord/t2_seg_manual.nii.gz", Quantity.ONE).array > 0
    yield Case("mr_cord", "cord", read_nifti(folder / "mr_cord/t2.nii.gz", Quantity.ONE), mask)
    tumour = folder / "mr_brain1_tumour_nrrd"
    image = sitk.ReadImage(str(tumour / "brain1_image.nrrd"))
    array = sitk.GetArrayFromImage(image).astype(np.int16)
    geometry = Geometry.from_itk(array.shape, image.GetSpacing(), image.GetOrigin(), np.array(image.GetDirection()))
    mask = sitk.GetArrayFromImage(sitk.ReadImage(str(tumour / "brain1_label.nrrd"))) > 0
    yield Case("mr_brain_tumour", "tumour", Volume(array, geometry), mask)


def _hippocampi(group: str, folder: Path, names: list[str]) -> Iterator[Case]:
    for name in names:
        mask = read_nifti(folder / "labels" / name, Quantity.ONE).array > 0
        yield Case(group, name.split(".")[0], read_nifti(folder / "images" / name, Quantity.ONE), mask)


def loose_box(reference: NDArray[np.bool_], seed: int | None = None) -> Box3D:
    """Around the reference, MARGIN voxels off; with a seed each side is off by its own number of MARGINS."""
    margin = np.full((2, 3), MARGIN)
    if seed is not None:
        margin = np.random.default_rng(seed).integers(MARGINS[0], MARGINS[1] + 1, (2, 3))
    where = np.argwhere(reference)
    low = np.maximum(where.min(0) - margin[0], 0)
    high = np.minimum(where.max(0) + margin[1], np.array(reference.shape) - 1)
    return Box3D(*low.tolist(), *high.tolist())


def next_click(
    current: NDArray[np.bool_], reference: NDArray[np.bool_], box: Box3D, random: np.random.Generator | None = None
) -> Point3D | None:
    """The deepest voxel of the largest connected error inside the box; with `random`, any at least half as deep."""
    wrong = (current ^ reference)[box.slices]
    labels, count = ndimage.label(wrong)
    if not count:
        return None
    largest = labels == int(np.bincount(labels.ravel())[1:].argmax()) + 1
    edge = [(1, 1) if n > 1 else (0, 0) for n in largest.shape]  # the box's border is an edge; a picture has no depth
    depth = ndimage.distance_transform_edt(np.pad(largest, edge))
    depth = depth[tuple(slice(a, n + a) for (a, _), n in zip(edge, largest.shape, strict=True))]
    chosen = int(depth.argmax()) if random is None else int(random.choice(np.flatnonzero(depth >= depth.max() / 2)))
    k, j, i = (int(v) for v in np.unravel_index(chosen, depth.shape))
    at = (k + box.k0, j + box.j0, i + box.i0)
    return Point3D(*at, positive=bool(reference[at]))


def simulate(
    method: Method, case: Case, seed: int | None = None, boxed: bool = True
) -> tuple[list[float], list[float]]:
    """Dice and milliseconds after each click. Each case gets its own array, so its first click pays for everything."""
    volume = Volume(case.volume.array.copy(), case.volume.geometry, case.volume.quantity, slope=case.volume.slope)
    box = loose_box(case.reference, seed)
    random = None if seed is None else np.random.default_rng(seed)
    everywhere = Box3D(0, 0, 0, *(n - 1 for n in case.reference.shape))
    current = np.zeros_like(case.reference)
    points: tuple[Point3D, ...] = ()
    overlaps, times = [], []
    for _ in range(CLICKS):
        point = next_click(current, case.reference, box if boxed else everywhere, random)
        if point is not None:
            points = (*points, point)
        began = time.perf_counter()
        current = method(volume, Prompt(points, box if boxed else None))
        times.append(1000 * (time.perf_counter() - began))
        overlaps.append(dice(current, case.reference))
    return overlaps, times


def watershed(volume: Volume, prompt: Prompt) -> NDArray[np.bool_]:
    """The reference: SimpleITK's marker watershed on the gradient magnitude of the same smoothed input."""
    box = prompt.box
    assert box is not None
    values = volume.values()[box.slices]
    low, high = (-200.0, 300.0) if volume.quantity is Quantity.HU else np.percentile(values, [1, 99])
    image = sitk.GetImageFromArray(np.clip((values - low) / (high - low), 0, 1).astype(np.float32))
    smooth = sitk.CurvatureAnisotropicDiffusion(image, timeStep=0.05, numberOfIterations=5)
    markers = np.zeros(values.shape, dtype=np.uint8)
    corner = np.array([box.k0, box.j0, box.i0])
    for axis in range(3):
        view = np.moveaxis(markers, axis, 0)
        if corner[axis] > 0:
            view[0] = 2
        if corner[axis] + box.shape[axis] < volume.geometry.shape[axis]:
            view[-1] = 2
    for point in prompt.points:
        cube = tuple(slice(max(int(c) - 1, 0), int(c) + 2) for c in np.array(point.index) - corner)
        markers[cube] = 1 if point.positive else 2
    basins = sitk.MorphologicalWatershedFromMarkers(
        sitk.GradientMagnitude(smooth), sitk.GetImageFromArray(markers), markWatershedLine=False
    )
    mask = np.zeros(volume.geometry.shape, dtype=np.bool_)
    mask[box.slices] = sitk.GetArrayFromImage(basins) == 1
    return mask


def _group_means(rows: list[tuple[str, list[float]]]) -> dict[str, Any]:
    """Per group: n, mean Dice after SHOWN clicks, mean loss a further click, share of clicks that lose over DROP."""
    means: dict[str, Any] = {}
    for group in dict.fromkeys(name for name, _ in rows):
        table = np.array([overlaps for name, overlaps in rows if name == group])
        loss = np.maximum(-np.diff(table, axis=1), 0)
        means[group] = {
            "n": len(table),
            "dice": {str(c): round(float(table[:, c - 1].mean()), 3) for c in SHOWN},
            "lowest_dice": round(float(table[:, -1].min()), 3),
            "mean_loss": round(float(loss.mean()), 4),
            "harmful_clicks": round(float((loss > DROP).mean()), 3),
        }
    return means


def _measure(
    method: Method, everything: list[Case], seeds: tuple[int | None, ...], boxed: bool = True
) -> dict[str, Any]:
    rows, times, shown = [], [], {}
    for case in everything:
        for seed in seeds:
            overlaps, milliseconds = simulate(method, case, seed, boxed)
            rows.append((case.group, overlaps))
            times += milliseconds
            shown[f"{case.group}/{case.name}"] = {
                "dice": {str(c): round(overlaps[c - 1], 3) for c in SHOWN},
                "ms_first": round(milliseconds[0], 1),
                "ms_next": round(statistics.median(milliseconds[1:]), 1),
                "voxels": int(np.prod(loose_box(case.reference, seed).shape)),
            }
    result = {
        "groups": _group_means(rows),
        "ms_median": round(statistics.median(times), 1),
        "ms_p95": round(float(np.percentile(times, 95)), 1),
    }
    return {**result, "cases": shown} if len(seeds) == 1 else result


def run(shared_data: Path) -> dict[str, Any]:
    """Dice after 1, 3 and 5 clicks per group, ms a click, for the expert and the watershed."""
    everything = list(cases(shared_data))
    segment(everything[0].volume, Prompt((), loose_box(everything[0].reference)))  # imports are not a click
    return {
        "protocol": "API clicks only; plain: box 4 voxels off, deepest point of the largest error; perturbed: 2-8 "
        f"voxels off, any point of that error's inner half, seeds {SEEDS}; no_box: as plain, without the box",
        "held_out": HELD_OUT,
        "prompt": _measure(segment, everything, (None,)),
        "watershed": _measure(watershed, everything, (None,)),
        "prompt_perturbed": _measure(segment, everything, SEEDS),
        "watershed_perturbed": _measure(watershed, everything, SEEDS),
        "prompt_no_box": _measure(segment, everything, (None,), boxed=False),
    }


def main() -> None:
    """Print the table; --json prints the figures instead."""
    result = run(Path(__file__).resolve().parents[3] / "shared" / "data")
    if "--json" in sys.argv:
        print(json.dumps(result, indent=1))
        return
    print(result["protocol"])
    for word, part in result.items():
        if not isinstance(part, dict):
            continue
        print(f"\n{word}: median {part['ms_median']} ms a click, p95 {part['ms_p95']} ms")
        for name, row in part.get("cases", {}).items() if word == "prompt" else ():
            shown = " ".join(f"{value:.3f}" for value in row["dice"].values())
            print(f"  {name:36s} {row['voxels']:7d} voxels  {shown}  {row['ms_first']} then {row['ms_next']} ms")
        for group, mean in part["groups"].items():
            shown = " ".join(f"{value:.3f}" for value in mean["dice"].values())
            harm = f"loss {mean['mean_loss']:.4f}, harmful {mean['harmful_clicks']:.3f}"
            print(f"  {group:20s} n {mean['n']:2d}: {shown}  lowest {mean['lowest_dice']:.3f}, {harm}")


if __name__ == "__main__":
    main()

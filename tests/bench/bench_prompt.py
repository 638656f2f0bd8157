"""Click segmentation: Dice against the number of simulated clicks, and time a click, beside a marker watershed.

The user of the simulation draws a loose box (4 voxels around the reference) and clicks the deepest point of the largest
error. References are human except "ct_abdomen", which is another model's opinion (TotalSegmentator).
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
STRUCTURES = {  # TotalSegmentator v2 classes
    "spleen": 1, "kidney right": 2, "kidney left": 3, "gallbladder": 4, "liver": 5, "stomach": 6, "pancreas": 7,
    "lower lobe right": 14, "colon": 20, "vertebra L1": 31, "aorta": 52, "back muscle left": 86,
}  # fmt: skip

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
    for name, label in STRUCTURES.items():
        yield Case("ct_abdomen", name, abdomen, labels == label)
    spleen = folder / "ct_spleen"
    mask = read_nifti(spleen / "spleen_manual.nii.gz", Quantity.ONE).array > 0
    yield Case("ct_spleen", "spleen", read_nifti(spleen / "ct.nii.gz", Quantity.HU), mask)
    for path in sorted((folder / "mr_hippocampus/images").glob("*.nii.gz")):
        mask = read_nifti(folder / "mr_hippocampus/labels" / path.name, Quantity.ONE).array > 0
        yield Case("mr_hippocampus", path.name.split(".")[0], read_nifti(path, Quantity.ONE), mask)
    mask = read_nifti(folder / "mr_cord/t2_seg_manual.nii.gz", Quantity.ONE).array > 0
    yield Case("mr_cord", "cord", read_nifti(folder / "mr_cord/t2.nii.gz", Quantity.ONE), mask)
    tumour = folder / "mr_brain1_tumour_nrrd"
    image = sitk.ReadImage(str(tumour / "brain1_image.nrrd"))
    array = sitk.GetArrayFromImage(image).astype(np.int16)
    geometry = Geometry.from_itk(array.shape, image.GetSpacing(), image.GetOrigin(), np.array(image.GetDirection()))
    mask = sitk.GetArrayFromImage(sitk.ReadImage(str(tumour / "brain1_label.nrrd"))) > 0
    yield Case("mr_brain_tumour", "tumour", Volume(array, geometry), mask)


def loose_box(reference: NDArray[np.bool_]) -> Box3D:
    where = np.argwhere(reference)
    low = np.maximum(where.min(0) - MARGIN, 0)
    high = np.minimum(where.max(0) + MARGIN, np.array(reference.shape) - 1)
    return Box3D(*low.tolist(), *high.tolist())


def next_click(current: NDArray[np.bool_], reference: NDArray[np.bool_], box: Box3D) -> Point3D | None:
    """The deepest voxel of the largest connected error inside the box."""
    wrong = (current ^ reference)[box.slices]
    labels, count = ndimage.label(wrong)
    if not count:
        return None
    largest = labels == int(np.bincount(labels.ravel())[1:].argmax()) + 1
    edge = [
        (1, 1) if n > 1 else (0, 0) for n in largest.shape
    ]  # the box's border is an edge, but a picture has no depth
    depth = ndimage.distance_transform_edt(np.pad(largest, edge))
    depth = depth[tuple(slice(a, n + a) for (a, _), n in zip(edge, largest.shape, strict=True))]
    k, j, i = (int(v) for v in np.unravel_index(int(depth.argmax()), depth.shape))
    at = (k + box.k0, j + box.j0, i + box.i0)
    return Point3D(*at, positive=bool(reference[at]))


def simulate(method: Method, case: Case) -> tuple[list[float], list[float]]:
    """Dice and milliseconds after each click. Each case gets its own array, so its first click pays for everything."""
    volume = Volume(case.volume.array.copy(), case.volume.geometry, case.volume.quantity)
    box = loose_box(case.reference)
    current = np.zeros_like(case.reference)
    points: tuple[Point3D, ...] = ()
    overlaps, times = [], []
    for _ in range(CLICKS):
        point = next_click(current, case.reference, box)
        if point is not None:
            points = (*points, point)
        began = time.perf_counter()
        current = method(volume, Prompt(points, box))
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


def _summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    times = [t for row in rows for t in row["milliseconds"]]
    means: dict[str, Any] = {}
    for group in dict.fromkeys(row["group"] for row in rows):
        chosen = [row["dice"] for row in rows if row["group"] == group]
        means[group] = {
            "n": len(chosen),
            **{str(c): round(statistics.mean(d[c - 1] for d in chosen), 3) for c in SHOWN},
        }
    return {
        "mean_dice": means,
        "ms_median": round(statistics.median(times), 1),
        "ms_p95": round(float(np.percentile(times, 95)), 1),
        "cases": rows,
    }


def run(shared_data: Path) -> dict[str, Any]:
    """Dice after 1, 3 and 5 clicks per case and group, ms a click, for the expert and for the watershed."""
    everything = list(cases(shared_data))
    segment(everything[0].volume, Prompt((), loose_box(everything[0].reference)))  # imports are not a click
    result: dict[str, Any] = {"protocol": "loose box, then the deepest point of the largest error; API clicks only"}
    for word, method in (("prompt", segment), ("watershed", watershed)):
        rows = []
        for case in everything:
            overlaps, times = simulate(method, case)
            rows.append(
                {
                    "group": case.group,
                    "name": case.name,
                    "voxels": int(np.prod(loose_box(case.reference).shape)),
                    "dice": [round(d, 3) for d in overlaps],
                    "milliseconds": [round(t, 1) for t in times],
                }
            )
        result[word] = _summary(rows)
    return result


def main() -> None:
    """Print the table; --json prints the figures instead."""
    result = run(Path(__file__).resolve().parents[3] / "shared" / "data")
    if "--json" in sys.argv:
        print(json.dumps(result, indent=1))
        return
    print(result["protocol"])
    for word in ("prompt", "watershed"):
        part = result[word]
        print(f"\n{word}: median {part['ms_median']} ms a click, p95 {part['ms_p95']} ms")
        for row in part["cases"] if word == "prompt" else ():
            shown = " ".join(f"{row['dice'][c - 1]:.3f}" for c in SHOWN)
            print(f"  {row['group']:16s} {row['name']:18s} {row['voxels']:7d} voxels  {shown}  {row['milliseconds']}")
        for group, mean in part["mean_dice"].items():
            print(f"  {group:16s} mean of {mean['n']:2d}: " + " ".join(f"{mean[str(c)]:.3f}" for c in SHOWN))


if __name__ == "__main__":
    main()

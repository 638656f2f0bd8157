"""The viewer's drawing maths against backend.domain.geometry, on random grids, through node."""

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.domain.geometry import Geometry

MODULE = Path(__file__).resolve().parents[2] / "ui" / "viewer" / "geometry.js"
CASES = 300
LPS_LETTERS = np.array(["RL", "AP", "FH"])

SCRIPT = """
import { readFileSync } from "node:fs";
const g = await import(process.argv[2]);
const cases = JSON.parse(readFileSync(process.argv[3], "utf8"));
const answers = cases.map(({ shape, affine, view, size, voxel }) => {
  const series = { shape, affine, unit: "mm", modality: "CT", colour: false };
  const planes = g.planesOf(series).map((plane) => {
    const m = g.viewMatrix(plane, { ...g.fittedView(plane), ...view }, ...size);
    const [slice, u, v] = g.onPlane(plane, { k: voxel[0], j: voxel[1], i: voxel[2] });
    const screen = g.toScreen(m, u, v);
    const back = g.fromScreen(m, ...screen);
    const plain = g.viewMatrix(plane, g.fittedView(plane), ...size);
    const origin = g.toScreen(plain, u, v);
    return { name: plane.name, normal: plane.normal, screen, back: g.voxelAt(plane, slice, back),
      error: Math.hypot(back[0] - u, back[1] - v), origin, letters: g.sideLetters(affine, plane, plain),
      stepX: plane.stepX, stepY: plane.stepY, scale: g.scaleOf(plane, g.fittedView(plane), ...size) };
  });
  return { axes: g.anatomicalAxes(affine), spacing: g.spacing(affine), world: g.world(affine, voxel), planes };
});
process.stdout.write(JSON.stringify(answers));
"""


def random_geometry(rng: np.random.Generator) -> Geometry:
    """Axis-aligned in any storage order, slightly turned, or anything at all; some sheared as by gantry tilt."""
    directions = np.eye(3)[:, rng.permutation(3)] * rng.choice([-1.0, 1.0], 3)
    turn = rng.choice([0.0, 0.2, 3.0])
    if turn:
        q, _ = np.linalg.qr(np.eye(3) + turn * rng.normal(size=(3, 3)))
        directions = q @ directions
    if rng.random() < 0.2:
        directions[:, 0] += 0.2 * directions[:, 1]
    affine = np.eye(4)
    affine[:3, :3] = directions * rng.uniform(0.3, 5, 3)
    affine[:3, 3] = rng.uniform(-300, 300, 3)
    shape = tuple(int(n) for n in rng.integers(2, 400, 3))
    return Geometry.of((shape[0], shape[1], shape[2]), affine)


@pytest.fixture(scope="module")
def compared(
    node: str, tmp_path_factory: pytest.TempPathFactory
) -> list[tuple[Geometry, dict[str, Any], dict[str, Any]]]:
    """Each geometry with what node was asked and what it answered."""
    rng = np.random.default_rng(20)
    geometries = [random_geometry(rng) for _ in range(CASES)]
    asked = [
        {
            "shape": g.shape,
            "affine": g.affine,
            "size": [int(rng.integers(50, 1500)), int(rng.integers(50, 1500))],
            "view": {
                "zoom": float(rng.uniform(0.5, 12)),
                "turns": int(rng.integers(4)),
                "flipH": bool(rng.random() < 0.5),
                "flipV": bool(rng.random() < 0.5),
            },
            "voxel": [int(rng.integers(n)) for n in g.shape],
        }
        for g in geometries
    ]
    folder = tmp_path_factory.mktemp("geometry")
    script, table = folder / "check.mjs", folder / "table.json"
    script.write_text(SCRIPT)
    table.write_text(json.dumps(asked))
    done = subprocess.run(
        [node, script, MODULE.as_uri(), table], capture_output=True, text=True, check=True, timeout=60
    )
    return list(zip(geometries, asked, json.loads(done.stdout), strict=True))


def test_axes_spacing_and_world_agree(compared: list[tuple[Geometry, dict[str, Any], dict[str, Any]]]) -> None:
    for geometry, asked, answer in compared:
        assert tuple((a["axis"], a["sense"]) for a in answer["axes"]) == geometry.anatomical_axes()
        assert answer["spacing"] == pytest.approx(geometry.spacing, rel=1e-9)
        assert answer["world"] == pytest.approx(geometry.world(tuple(asked["voxel"])), abs=1e-6)


def test_screen_to_voxel_and_back(compared: list[tuple[Geometry, dict[str, Any], dict[str, Any]]]) -> None:
    for _, asked, answer in compared:
        for plane in answer["planes"]:
            assert plane["error"] < 0.01
            assert [plane["back"][axis] for axis in "kji"] == asked["voxel"]


def test_planes_are_laid_out_as_python_says(compared: list[tuple[Geometry, dict[str, Any], dict[str, Any]]]) -> None:
    """One step along the patient's axes moves on the screen as radiological display asks, by the spacing."""
    wanted = {"axial": (2, (0, 1), (1, 1)), "coronal": (1, (0, 1), (2, -1)), "sagittal": (0, (1, 1), (2, -1))}
    for geometry, asked, answer in compared:
        axes = geometry.anatomical_axes()
        assert [p["normal"] for p in answer["planes"]] == [0, 1, 2]
        for plane in answer["planes"]:
            normal, (wx, sx), (wy, sy) = wanted[plane["name"]]
            assert plane["normal"] == axes[normal][0]
            (ax, ex), (ay, ey) = axes[wx], axes[wy]
            steps = geometry.spacing[ax] * plane["scale"], geometry.spacing[ay] * plane["scale"]
            x = asked["size"][0] / 2 + (asked["voxel"][ax] - (geometry.shape[ax] - 1) / 2) * ex * sx * steps[0]
            y = asked["size"][1] / 2 + (asked["voxel"][ay] - (geometry.shape[ay] - 1) / 2) * ey * sy * steps[1]
            assert plane["origin"] == pytest.approx((x, y), abs=0.01 * min(steps))


def test_first_letter_names_the_nearest_side(compared: list[tuple[Geometry, dict[str, Any], dict[str, Any]]]) -> None:
    for geometry, _, answer in compared:
        axes = geometry.anatomical_axes()
        for plane in answer["planes"]:
            world_x = 1 if plane["name"] == "sagittal" else 0
            axis, sense = axes[world_x]
            right = geometry.direction[:, axis] * sense
            nearest = int(np.argmax(np.abs(right)))
            assert plane["letters"]["right"][0] == LPS_LETTERS[nearest][int(right[nearest] > 0)]

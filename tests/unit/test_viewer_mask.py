"""Mask files written in Python, read by the viewer's code in node."""

import json
import subprocess
import zlib
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from backend.imaging.mask import mask_path, write_mask

MODULE = Path(__file__).resolve().parents[2] / "ui" / "viewer" / "mask.js"

SCRIPT = """
import { readFileSync } from "node:fs";
const { PackedMask } = await import(process.argv[2]);
const { box, shape, file } = JSON.parse(process.argv[3]);
const mask = new PackedMask(box, new Uint8Array(readFileSync(file)));
const set = [];
for (let k = 0; k < shape[0]; k++) for (let j = 0; j < shape[1]; j++) for (let i = 0; i < shape[2]; i++) {
  if (mask.has({ k, j, i })) set.push([k, j, i]);
}
process.stdout.write(JSON.stringify({ set, centre: mask.centre() }));
"""


@pytest.mark.parametrize("seed", range(6))
def test_a_mask_file_means_the_same_in_the_browser(node: str, tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers(1, 24, 3))
    voxels = rng.random(shape) < rng.choice([0.02, 0.5, 0.98])
    voxels[tuple(rng.integers(shape))] = True
    mask = write_mask(tmp_path, voxels)
    bits = tmp_path / "bits"
    bits.write_bytes(zlib.decompress(mask_path(tmp_path, mask.sha256).read_bytes()))  # as the browser inflates it
    asked = json.dumps({"box": asdict(mask.box), "shape": shape, "file": str(bits)})
    script = tmp_path / "read.mjs"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [node, script, MODULE.as_uri(), asked], capture_output=True, text=True, check=True, timeout=60
    )
    answer = json.loads(done.stdout)
    assert answer["set"] == np.argwhere(voxels).tolist()
    largest = voxels.sum(axis=(1, 2))
    centre = answer["centre"]
    assert largest[centre["k"]] == largest.max()
    assert voxels[centre["k"], centre["j"], centre["i"]]

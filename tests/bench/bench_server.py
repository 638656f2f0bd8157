"""The web process: seconds until it serves, memory, and a decision through HTTP."""

import statistics
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.served import Served

STARTS = 3
DECISIONS = 200


def run() -> dict[str, Any]:
    """Figures of a fresh server on this machine, other work on it included."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        starts = []
        for _ in range(STARTS):
            server = Served(data)
            starts.append(server.start_seconds)
            server.stop()
        server = Served(data)
        try:
            study = import_image(server, Path(folder))
            milliseconds = decide(server, study)
            server.get("/api/worklist")
            return {
                "serving after, s (median)": statistics.median(starts),
                "starts, n": STARTS,
                "resident, MB": resident_mb(server.process.pid),
                "torch loaded": loads(server.process.pid, "libtorch"),
                "decision over HTTP, ms p50": statistics.median(milliseconds),
                "decision over HTTP, ms p95": float(np.percentile(milliseconds, 95)),
                "decisions, n": DECISIONS,
            }
        finally:
            server.stop()


def import_image(server: Served, folder: Path) -> dict[str, Any]:
    """Import one small grey image; its study as the page sees it."""
    path = folder / "grey.png"
    Image.fromarray(np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)).save(path)
    server.post("/api/import", {"path": str(path)})
    server.wait_for_jobs()
    uid = server.get("/api/worklist")["studies"][0]["study_uid"]
    study: dict[str, Any] = server.get(f"/api/studies/{uid}")
    return study


def decide(server: Served, study: dict[str, Any]) -> list[float]:
    """Milliseconds of adding one box after another."""
    series_uid = study["series"][0]["series_uid"]
    taken = []
    for n in range(DECISIONS):
        corner = n % 32
        box = {"k0": 0, "j0": corner, "i0": corner, "k1": 0, "j1": corner + 9, "i1": corner + 9}
        value = {"series_uid": series_uid, "code": {"meaning": "Region"}, "regions": [box]}
        body = {
            "subject": str(uuid.uuid4()),
            "kind": "finding",
            "study_uid": study["study"]["study_uid"],
            "act": "ADD",
            "value": value,
            "token": str(uuid.uuid4()),
        }
        started = time.perf_counter()
        server.post("/api/decisions", body)
        taken.append((time.perf_counter() - started) * 1000)
    return taken


def resident_mb(pid: int) -> float:
    """VmRSS, which counts shared libraries too."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("VmRSS")).split()[1]) / 1024


def loads(pid: int, library: str) -> bool:
    """Whether a shared library of this name is mapped into the process."""
    return library in Path(f"/proc/{pid}/maps").read_text()


if __name__ == "__main__":
    from tests.bench.__main__ import show

    show(run())

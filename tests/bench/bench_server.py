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
FINDINGS = 20  # on a case, as a reader meets them


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
    """Milliseconds of each of DECISIONS edits, on a case with FINDINGS findings and their report."""
    names = [str(uuid.uuid4()) for _ in range(FINDINGS)]
    for n, name in enumerate(names):
        answer = server.post("/api/decisions", _word(study, name, "ADD", n, 0))
    taken = []
    for n in range(DECISIONS):
        name = names[n % FINDINGS]
        seq = next(subject["after_seq"] for subject in answer["subjects"] if subject["id"] == name)
        body = _word(study, name, "EDIT", n, seq)
        started = time.perf_counter()
        answer = server.post("/api/decisions", body)
        taken.append((time.perf_counter() - started) * 1000)
    return taken


def _word(study: dict[str, Any], subject: str, act: str, n: int, after_seq: int) -> dict[str, Any]:
    low, high = n % 32, n % 32 + 9 + n % 7
    box = {"k0": 0, "j0": low, "i0": low, "k1": 0, "j1": high, "i1": high}
    return {
        "subject": subject,
        "kind": "finding",
        "study_uid": study["study"]["study_uid"],
        "act": act,
        "value": {"series_uid": study["series"][0]["series_uid"], "code": {"meaning": "Region"}, "regions": [box]},
        "after_seq": after_seq,
        "token": str(uuid.uuid4()),
    }


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

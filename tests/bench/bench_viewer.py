"""The viewer in a real Chromium with software rendering: first image, drawing, dragging, loading.

`run()` measures on a procedural 512 x 512 x 300 int16 volume served by a loopback server with Range support.
Bars: first image <= 150 ms, axial draw <= 2 ms (median), box drag <= 17 ms from input to paint (p95).
"""

import json
import statistics
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Page, sync_playwright

from tests.browser.conftest import FLAGS, chromium

SHAPE = (300, 512, 512)
FRAMES = 120
REPEATS = 7
BARS = {"first_image_ms": 150.0, "axial_draw_ms": 2.0, "box_drag_ms": 17.0}
UI = Path(__file__).resolve().parents[2] / "ui"
HARNESS = Path(__file__).with_name("viewer_bench.html")
TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html; charset=utf-8"}


def write_volume(path: Path) -> None:
    """A body-like phantom in HU with noise: (300, 512, 512) int16, written slice by slice."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[-1:1:512j, -1:1:512j]
    noise = rng.normal(0, 20, (8, *SHAPE[1:]))
    with path.open("wb") as file:
        for k in range(SHAPE[0]):
            grow = 1 + 0.1 * np.sin(k / 40)
            slice_ = np.where((x / 0.8) ** 2 + (y / 0.6) ** 2 < grow, 40.0, -1000.0)
            slice_[((np.abs(x) - 0.4) / 0.25) ** 2 + (y / 0.4) ** 2 < grow] = -850
            slice_[(x / 0.08) ** 2 + ((y - 0.4) / 0.08) ** 2 < 1] = 700
            file.write((slice_ + noise[k % 8]).astype("<i2").tobytes())


def series(uid: str, shape: tuple[int, int, int] = SHAPE) -> dict[str, Any]:
    """The JSON the viewer opens: 0.7 x 0.7 x 1 mm, axial."""
    affine = [[0, 0, 0.7, -180], [0, 0.7, 0, -180], [1, 0, 0, 0], [0, 0, 0, 1]]
    window = {"centre": 40, "width": 400, "name": "Abdomen", "function": "LINEAR"}
    return {
        "series_uid": uid, "study_uid": "bench", "modality": "CT", "body_part": "", "description": "Bench",
        "shape": list(shape), "affine": affine, "unit": "mm", "spacing": [1, 0.7, 0.7], "unsafe": [],
        "dtype": "int16", "colour": False, "quantity": "HU", "slope": 1.0, "intercept": 0.0, "windows": [window],
        "inverted": False, "padding": None, "warnings": [],
    }  # fmt: skip


class Files(BaseHTTPRequestHandler):
    """Serves the viewer, the harness and the volume, with Range."""

    protocol_version = "HTTP/1.1"
    volume: Path

    def do_GET(self) -> None:
        name = self.path.split("?")[0]
        path = UI / name.removeprefix("/static/") if name.startswith("/static/") else HARNESS
        path = self.volume if name == "/voxels" else path
        if not path.is_file() or name == "/favicon.ico":
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        first, last, size = 0, path.stat().st_size - 1, path.stat().st_size
        wanted = self.headers.get("Range", "")
        if wanted.startswith("bytes="):
            low, _, high = wanted.removeprefix("bytes=").partition("-")
            first, last = int(low), min(int(high or last), last)
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Type", TYPES.get(path.suffix, "application/octet-stream"))
        self.send_header("Content-Length", str(last - first + 1))
        self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.send(path, first, last + 1)

    def send(self, path: Path, first: int, end: int) -> None:
        with path.open("rb") as file:
            file.seek(first)
            while first < end and (piece := file.read(min(1 << 20, end - first))):
                first += len(piece)
                try:
                    self.wfile.write(piece)
                except ConnectionError:
                    return  # the viewer went on to another series

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the table is the output."""


@contextmanager
def served(volume: Path) -> Iterator[str]:
    handler = type("BenchFiles", (Files,), {"volume": volume})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


def summary(values: list[float]) -> dict[str, float]:
    """Median, p95 (of the sorted values, nearest rank) and n."""
    ordered = sorted(values)
    p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    return {"median": round(statistics.median(ordered), 2), "p95": round(p95, 2), "n": len(ordered)}


def measure_opening(page: Page) -> tuple[list[float], list[float]]:
    """First image and whole volume, each opening with a new address so that nothing is kept."""
    first, loaded = [], []
    for n in range(REPEATS):
        call = f"bench.open({json.dumps(series(f'bench {n}'))}, '/voxels?{n}')"
        times = page.evaluate(call)
        first.append(times["first"])
        loaded.append(times["loaded"] / 1000)
    return first, loaded


def drag(page: Page, steps: int) -> dict[str, list[float]]:
    """Move the pressed mouse in a circle, as fast as the browser takes events."""
    box = page.locator("[data-plane=axial]").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x - 120, y - 120)
    page.evaluate("bench.watch()")
    page.mouse.down()
    for n in range(steps):
        page.mouse.move(x + 100 * np.cos(n / 9), y + 100 * np.sin(n / 9))
    page.mouse.up()
    page.wait_for_timeout(100)
    times: dict[str, list[float]] = page.evaluate("bench.stop()")
    return times


def measure(page: Page) -> dict[str, Any]:
    first, loaded = measure_opening(page)
    page.evaluate("bench.viewer.setLayout('single'); bench.viewer.first()")
    axial = page.evaluate(f"bench.scroll({FRAMES})")
    reference = page.evaluate(f"bench.reference({FRAMES})")
    page.evaluate("bench.viewer.setTool('window')")
    window = drag(page, FRAMES)
    page.evaluate("bench.viewer.setTool('box')")
    box = drag(page, FRAMES)
    page.evaluate("bench.viewer.setTool('window'); bench.viewer.setLayout('three')")
    linked = page.evaluate(f"bench.linked({FRAMES})")
    bare = summary(reference["bare"])
    drawn = summary(axial)
    return {
        "first_image_ms": summary(first),
        "volume_loaded_s": summary(loaded),
        "axial_draw_ms": drawn,
        "put_image_data_ms": bare,
        "lookup_and_put_ms": summary(reference["filled"]),
        "draw_over_put_ratio": round(drawn["median"] / max(bare["median"], 0.05), 2),
        "three_planes_ms": summary(linked),
        "window_drag_ms": summary(window["spent"]),
        "box_drag_ms": summary(box["spent"]),
        "box_drag_frame_ms": summary(box["gaps"]),
    }


def run() -> dict[str, Any]:
    """All figures with their bars; `passed` tells whether each bar is met."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        volume = Path(folder) / "volume.raw"
        write_volume(volume)
        with served(volume) as address:
            browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            errors: list[str] = []
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.goto(address)
            page.wait_for_selector("[data-ready=true]")
            figures = measure(page)
            version = browser.version
            browser.close()
    if errors:
        raise RuntimeError(f"the viewer raised: {errors[0]}")
    judged = {"first_image_ms": "median", "axial_draw_ms": "median", "box_drag_ms": "p95"}
    passed = {name: figures[name][judged[name]] <= bar for name, bar in BARS.items()}
    conditions = f"{SHAPE[2]}x{SHAPE[1]}x{SHAPE[0]} int16, headless Chromium {version}, software rendering, 1280x900"
    return {"conditions": conditions, "figures": figures, "bars": BARS, "passed": passed}


def main() -> None:
    """Print a table."""
    result = run()
    print(result["conditions"])
    for name, value in result["figures"].items():
        text = f"{value:.2f}" if isinstance(value, float) else "  ".join(f"{k} {v}" for k, v in value.items())
        bar = (
            f"   bar {result['bars'][name]:g}: {'met' if result['passed'][name] else 'MISSED'}" if name in BARS else ""
        )
        print(f"{name:22}{text}{bar}")


if __name__ == "__main__":
    main()

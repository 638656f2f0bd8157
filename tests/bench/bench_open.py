"""Opening a 512 x 512 x 300 CT in the whole application: from the click on the case to its first image."""

import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK
from playwright.sync_api import Browser, sync_playwright

from tests.browser.conftest import FLAGS, chromium
from tests.served import Served

SHAPE = (300, 512, 512)
OPENINGS = 7


def run() -> dict[str, Any]:
    """Medians over OPENINGS clicks, each in a fresh page that shows another case and has nothing in memory."""
    with tempfile.TemporaryDirectory() as folder:
        server = Served(Path(folder) / "data")
        try:
            for path in (_small(Path(folder)), _large(Path(folder))):
                server.post("/api/import", {"path": str(path)})
                server.wait_for_jobs()
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(args=FLAGS, executable_path=chromium())
                first, loaded = zip(*[_open(browser, server.address) for _ in range(OPENINGS)], strict=True)
                browser.close()
        finally:
            server.stop()
    return {
        "first image after the click, ms (median)": statistics.median(first),
        "first image after the click, ms (longest)": max(first),
        "whole volume after the click, s (median)": statistics.median(loaded) / 1000,
        "openings, n": OPENINGS,
        "volume": "512 x 512 x 300 int16 CT through FastAPI on loopback, headless Chromium, software rendering",
    }


CLICK = """() => new Promise((done) => {
    const { viewer } = window.overread;
    const start = performance.now();
    const since = () => performance.now() - start;
    let first = 0;
    const onFirst = () => requestAnimationFrame(() => { first = since(); });
    viewer.addEventListener("firstimage", onFirst, { once: true });
    viewer.addEventListener("loaded", () => setTimeout(() => done([first, since()]), 50), { once: true });
    document.querySelectorAll("[data-testid=case] button")[1].click();
})"""


def _open(browser: Browser, address: str) -> tuple[float, float]:
    """Milliseconds from the click until the first image and until the last voxel."""
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.goto(address)
    page.wait_for_selector("[data-testid=viewer][data-state=ready]")
    page.wait_for_timeout(1500)
    times: tuple[float, float] = page.evaluate(CLICK)
    page.context.close()
    return times


def _large(folder: Path) -> Path:
    """Noise with a bright cylinder: no codec or cache can make it cheap."""
    rng = np.random.default_rng(0)
    voxels = rng.integers(-1000, 1000, SHAPE, dtype=np.int16)
    image = SimpleITK.GetImageFromArray(voxels)
    image.SetSpacing((0.7, 0.7, 1.0))
    path = folder / "large.mha"
    SimpleITK.WriteImage(image, str(path))
    return path


def _small(folder: Path) -> Path:
    image = SimpleITK.GetImageFromArray(np.zeros((20, 64, 64), dtype=np.int16))
    path = folder / "small.mha"
    SimpleITK.WriteImage(image, str(path))
    return path


if __name__ == "__main__":
    from tests.bench.__main__ import show

    show(run())

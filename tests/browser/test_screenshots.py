"""The pictures a person can look through in a minute; `make screenshots` keeps those of the README."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.served import Served

pytestmark = pytest.mark.browser

KEPT = Path(__file__).resolve().parents[2] / "assets" / "screenshots"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A booth: the demo cases with everything proposed."""
    server = Served(tmp_path_factory.mktemp("booth") / "data", "--demo")
    jobs = server.wait_for_jobs(300)
    assert [job["state"] for job in jobs] == ["done"] * len(jobs), jobs
    yield server
    server.stop()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    chosen = KEPT if os.environ.get("OVERREAD_SCREENSHOTS") else tmp_path
    chosen.mkdir(parents=True, exist_ok=True)
    return chosen


def open_case(page: Page, demo: Served, number: int) -> None:
    page.goto(demo.address)
    expect(page.get_by_test_id("case")).to_have_count(4)
    page.get_by_test_id("case").nth(number).get_by_role("button").click()
    expect(page.get_by_test_id("case").nth(number)).to_have_attribute("data-state", "open")
    expect(page.get_by_test_id("viewer")).to_have_attribute("data-state", "ready")
    expect(page.get_by_test_id("finding").first).to_be_visible()
    page.wait_for_timeout(1500)  # masks and thumbnails arrive after the first image


def test_reading_room(page: Page, demo: Served, folder: Path) -> None:
    open_case(page, demo, 0)
    rows = page.get_by_test_id("finding")
    for side in ("right", "left"):
        rows.filter(has_text=f"Air-filled {side} lung").get_by_role("button", name="Accept").click()
    rows.filter(has_text="Body").get_by_role("button", name="Reject").click()
    page.get_by_test_id("reasons").get_by_role("button", name="wrong extent").click()
    page.get_by_test_id("spot").first.get_by_role("button", name="Make finding").click()
    page.get_by_label("Name of the box").fill("Nodule")
    page.keyboard.press("Enter")
    expect(rows.filter(has_text="Nodule")).to_contain_text("right upper zone")
    expect(page.get_by_test_id("saved")).to_have_attribute("data-state", "saved")
    page.wait_for_timeout(800)
    page.screenshot(path=folder / "reading-room.png")


def test_radiograph(page: Page, demo: Served, folder: Path) -> None:
    open_case(page, demo, 1)
    page.get_by_test_id("sentence").last.hover()
    page.wait_for_timeout(600)
    page.screenshot(path=folder / "radiograph.png")


def test_propose_menu_and_help(page: Page, demo: Served, folder: Path) -> None:
    open_case(page, demo, 0)
    page.get_by_role("button", name="Propose").click()
    page.wait_for_timeout(300)
    page.screenshot(path=folder / "propose.png")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    page.wait_for_timeout(300)
    page.screenshot(path=folder / "keys.png")


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (1280, 800)])
def test_the_image_owns_the_width(page: Page, demo: Served, width: int, height: int) -> None:
    page.set_viewport_size({"width": width, "height": height})
    open_case(page, demo, 0)
    box = page.get_by_test_id("viewer").bounding_box()
    assert box is not None
    assert box["width"] >= 0.6 * width
    assert page.evaluate("document.documentElement.scrollWidth") <= width

"""What a person does on a real chest CT, from the first click to finding everything again after a reload."""

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.served import Served

pytestmark = pytest.mark.browser

NODULE = (14, 243, 184)  # k, j, i of the nodule that three of four radiologists marked (ct_lidc0314/nodule.csv)


@pytest.fixture
def reading(page: Page, served: Served, shared_data: Path) -> Page:
    """The page with the chest CT imported through its own form and open."""
    page.goto(served.address)
    expect(page.get_by_text("No cases yet")).to_be_visible()
    page.get_by_role("button", name="Import…").click()
    page.get_by_label("Folder or file on this machine").fill(str(shared_data / "ct_lidc0314"))
    page.get_by_role("button", name="Import", exact=True).click()
    case = page.get_by_test_id("case")
    expect(case).to_have_count(1, timeout=60_000)
    expect(case).to_have_attribute("data-state", "open", timeout=30_000)
    expect(page.get_by_test_id("viewer")).to_have_attribute("data-state", "ready", timeout=30_000)
    return page


def test_a_case_from_open_to_found_again(reading: Page, served: Served) -> None:
    page = reading
    propose(page, "CT_ANATOMY")
    right = finding(page, "Air-filled right lung")
    right.get_by_role("button", name="Accept").click()
    expect(right).to_have_attribute("data-state", "accepted")

    box = draw_box(page, (NODULE[1] - 16, NODULE[2] - 16), (NODULE[1] + 16, NODULE[2] + 16), "Nodule")
    expect(box).to_have_attribute("data-state", "added")
    before = regions(page, "Nodule")[0]
    drag(
        page,
        at(page, before["k0"], before["j1"], before["i1"]),
        at(page, before["k0"], before["j1"] + 8, before["i1"] + 6),
    )
    expect(box).to_have_attribute("data-state", "edited")
    after = regions(page, "Nodule")[0]
    assert (after["j1"] - before["j1"], after["i1"] - before["i1"]) == (8, 6)

    bone = finding(page, "Bone")
    bone.get_by_role("button", name="Reject").click()
    page.get_by_test_id("reasons").get_by_role("button", name="wrong extent").click()
    expect(bone).to_have_attribute("data-state", "rejected")
    expect(bone).to_contain_text("wrong extent")

    edit_sentence(page, "CT of the chest", "CT of the chest, part of the lungs only.")
    segment_nodule(page)
    page.keyboard.press("Control+z")
    expect(finding(page, "Opacity")).to_have_count(0)
    page.keyboard.press("Control+Shift+z")
    expect(finding(page, "Opacity")).to_have_attribute("data-state", "added")
    expect(page.get_by_test_id("saved")).to_have_attribute("data-state", "saved")

    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert "part of the lungs only." in copied
    assert "Bone" not in copied  # rejected, and so said no more

    standing = shown(page)
    page.reload()
    expect(page.get_by_test_id("viewer")).to_have_attribute("data-state", "ready", timeout=30_000)
    expect(finding(page, "Air-filled right lung")).to_have_attribute("data-state", "accepted")
    assert shown(page) == standing
    expect(sentence(page, "part of the lungs only")).to_have_attribute("data-state", "edited")


def test_what_was_acknowledged_survives_kill_minus_nine(reading: Page, served: Served) -> None:
    page = reading
    propose(page, "CT_ANATOMY")
    left = finding(page, "Air-filled left lung")
    left.get_by_role("button", name="Accept").click()
    expect(page.get_by_test_id("saved")).to_have_attribute("data-state", "saved")
    served.kill()
    # While the server is away, the reader goes on; the decision waits in the browser and follows later.
    finding(page, "Air-filled right lung").get_by_role("button", name="Accept").click()
    expect(page.get_by_test_id("saved")).to_have_attribute("data-state", "offline")
    served.restart()
    expect(page.get_by_test_id("saved")).to_have_attribute("data-state", "saved", timeout=30_000)
    page.reload()
    for name in ("Air-filled left lung", "Air-filled right lung"):
        expect(finding(page, name)).to_have_attribute("data-state", "accepted")


def test_the_same_case_by_keyboard_alone(reading: Page) -> None:
    page = reading
    propose(page, "CT_ANATOMY")
    first = page.get_by_test_id("finding").first
    page.keyboard.press("w")
    page.keyboard.press("y")
    expect(first).to_have_attribute("data-state", "accepted")
    page.keyboard.press("n")
    page.keyboard.press("4")
    expect(page.get_by_test_id("finding").nth(1)).to_have_attribute("data-state", "rejected")
    page.keyboard.press("u")
    expect(page.get_by_test_id("finding").nth(2)).to_have_attribute("data-state", "unsure")
    page.keyboard.press("Control+z")
    expect(page.get_by_test_id("finding").nth(2)).to_have_attribute("data-state", "proposed")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys and mouse")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("3")
    expect(page.get_by_test_id("viewer")).to_contain_text("1500")


def test_sentences_and_regions_light_each_other(reading: Page) -> None:
    page = reading
    propose(page, "CT_ANATOMY")
    bone = sentence(page, "Bone")
    bone.hover()
    expect(finding(page, "Bone")).to_have_attribute("data-lit", "")
    finding(page, "Air-filled left lung").hover()
    expect(sentence(page, "Air-filled lung")).to_have_attribute("data-lit", "")


def test_another_tab_sees_what_stands(reading: Page, served: Served) -> None:
    propose(reading, "CT_ANATOMY")
    finding(reading, "Bone").get_by_role("button", name="Accept").click()
    expect(reading.get_by_test_id("saved")).to_have_attribute("data-state", "saved")
    other = reading.context.new_page()
    other.goto(served.address)
    expect(finding(other, "Bone")).to_have_attribute("data-state", "accepted")
    other.close()


def propose(page: Page, expert: str) -> None:
    page.get_by_role("button", name="Propose").click()
    page.locator(f'[data-testid="expert"][data-id="{expert}"]').get_by_role("button", name="Run").click()
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("finding").first).to_be_visible(timeout=90_000)
    expect(page.get_by_test_id("job")).to_have_count(0, timeout=30_000)


def finding(page: Page, name: str) -> Locator:
    return page.get_by_test_id("finding").filter(has_text=name)


def sentence(page: Page, text: str) -> Locator:
    return page.get_by_test_id("sentence").filter(has_text=text)


def at(page: Page, k: int, j: float, i: float) -> tuple[float, float]:
    """Where a voxel's centre is on the page, in the axial plane; goes to its slice."""
    x, y = page.evaluate(
        """async ([k, j, i]) => {
            const { viewer } = window.overread;
            viewer.goTo({ k, j, i });
            await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
            const { onPlane, toScreen } = await import("/static/viewer/geometry.js");
            const pane = viewer.panes.find((p) => p.plane.name === "axial");
            const [, u, v] = onPlane(pane.plane, { k, j, i });
            const [x, y] = toScreen(pane.matrix, u, v);
            const r = pane.root.getBoundingClientRect();
            return [r.left + x, r.top + y];
        }""",
        [k, j, i],
    )
    return float(x), float(y)


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    page.mouse.move(*end)
    page.mouse.up()


def draw_box(page: Page, low: tuple[int, int], high: tuple[int, int], name: str) -> Locator:
    page.get_by_role("button", name="Box tool").click()
    drag(page, at(page, NODULE[0], *low), at(page, NODULE[0], *high))
    page.get_by_label("Name of the box").fill(name)
    page.keyboard.press("Enter")
    row = finding(page, name)
    expect(row).to_be_visible()
    return row


def regions(page: Page, name: str) -> list[dict[str, Any]]:
    """The regions of a finding as the page holds them."""
    found: list[dict[str, Any]] = page.evaluate(
        "name => window.overread.store.state.subjects.find((s) => s.value?.code?.meaning === name).value.regions", name
    )
    return found


def edit_sentence(page: Page, old: str, new: str) -> None:
    row = sentence(page, old)
    row.get_by_role("button", name="Edit").click()
    row.get_by_role("textbox", name="Sentence").fill(new)
    page.keyboard.press("Enter")
    expect(sentence(page, new)).to_have_attribute("data-state", "edited")


def segment_nodule(page: Page) -> None:
    page.keyboard.press("Escape")  # leaves the tool
    page.keyboard.press("Escape")  # leaves the selected finding, which clicks would refine
    page.get_by_role("button", name="Point tool").click()
    page.mouse.click(*at(page, *NODULE))
    preview = page.get_by_test_id("preview")
    expect(preview).to_have_attribute("data-state", "ready", timeout=60_000)
    page.get_by_label("Name of the region").fill("Opacity")
    page.get_by_role("button", name="Keep region").click()
    row = finding(page, "Opacity")
    expect(row).to_have_attribute("data-state", "added")
    expect(row).to_contain_text("mL")


def shown(page: Page) -> str:
    """What stands, as text that can be compared: ids, states and values of every subject."""
    subjects: list[dict[str, Any]] = page.evaluate("() => window.overread.store.state.subjects")
    kept = [(s["id"], s["state"], s["value"], s["reason"]) for s in subjects]
    return json.dumps(sorted(kept, key=lambda s: str(s[0])), sort_keys=True)


def test_a_visitor_brings_a_picture(page: Page, served: Served, shared_data: Path) -> None:
    page.goto(served.address)
    expect(page.get_by_text("No cases yet")).to_be_visible()
    page.get_by_label("Files to import").set_input_files(shared_data / "cxr_nih_boxes" / "images" / "00001250_006.png")
    expect(page.get_by_test_id("case")).to_contain_text("00001250_006", timeout=30_000)
    expect(page.get_by_test_id("viewer")).to_have_attribute("data-state", "ready")
    propose(page, "CXR_LUNGS")
    expect(page.get_by_test_id("finding")).to_have_count(2)

"""What a reader's hands do to the viewer, in a real browser on a small volume whose voxels are known."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page

from tests.bench.bench_viewer import series, served

pytestmark = pytest.mark.browser

SHAPE = (40, 64, 80)
Box = dict[str, int]


@pytest.fixture
def viewer(page: Page, tmp_path: Path) -> Iterator[Page]:
    """The harness with the volume open in three planes; value of (k, j, i) = 10 k + j - i."""
    k, j, i = np.indices(SHAPE)
    path = tmp_path / "volume.raw"
    path.write_bytes((10 * k + j - i).astype("<i2").tobytes())
    with served(path) as address:
        page.goto(address)
        page.wait_for_selector("[data-ready=true]")
        page.evaluate("""() => {
            window.viewer = bench.viewer;
            window.seen = [];
            for (const name of ["box", "boxchange", "point", "select", "probe", "error", "loaded"])
                viewer.addEventListener(name, (event) => seen.push({ name, ...event.detail }));
        }""")
        assert page.evaluate(f"viewer.open({json.dumps(series('small', SHAPE))}, {{ voxelsUrl: '/voxels' }})")
        page.wait_for_function("seen.some((event) => event.name === 'loaded')")
        page.evaluate("viewer.setLayout('three')")
        settle(page)
        yield page


def settle(page: Page) -> None:
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def at(page: Page, plane: str, k: float, j: float, i: float) -> tuple[float, float]:
    """Where a voxel's centre is on the page."""
    x, y = page.evaluate(
        """async ([plane, index]) => {
            const { onPlane, toScreen } = await import("/static/viewer/geometry.js");
            const pane = viewer.panes.find((p) => p.plane.name === plane);
            const [, u, v] = onPlane(pane.plane, index);
            const [x, y] = toScreen(pane.matrix, u, v);
            const r = pane.root.getBoundingClientRect();
            return [r.left + x, r.top + y];
        }""",
        [plane, {"k": k, "j": j, "i": i}],
    )
    return float(x), float(y)


def drag(page: Page, start: tuple[float, float], end: tuple[float, float], button: Any = "left") -> None:
    page.mouse.move(*start)
    page.mouse.down(button=button)
    page.mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    page.mouse.move(*end)
    page.mouse.up(button=button)
    settle(page)


def last(page: Page, name: str) -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate("name => seen.findLast((event) => event.name === name) ?? {}", name)
    return found


def cursor(page: Page) -> tuple[int, int, int]:
    c = page.evaluate("viewer.cursor")
    return c["k"], c["j"], c["i"]


def view(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate("viewer.panes[0].view")
    return found


def show_box(page: Page, box: Box) -> None:
    overlay = {"id": "b", "label": "mine", "state": "added", "regions": [box], "editable": True, "visible": True}
    page.evaluate("overlay => { viewer.setOverlays([overlay]); viewer.select('b'); }", overlay)
    settle(page)


def test_the_right_voxel_under_the_pointer(viewer: Page) -> None:
    for plane, index in [("axial", (20, 10, 70)), ("coronal", (33, 32, 5)), ("sagittal", (2, 60, 40))]:
        viewer.mouse.move(*at(viewer, plane, *index))
        probe = last(viewer, "probe")
        k, j, i = index
        assert probe["index"] == [k, j, i]
        assert probe["value"] == 10 * k + j - i
        assert probe["unit"] == "HU"
        assert probe["lps"] == pytest.approx([0.7 * i - 180, 0.7 * j - 180, k])


def test_the_pixels_on_the_canvas_are_those_of_the_slice(viewer: Page) -> None:
    """Left of the axial picture is low i: bright on this volume, since the value falls with i."""
    viewer.evaluate("viewer.setWindow(180, 200); viewer.goTo({ k: 20, j: 32, i: 40 })")
    settle(viewer)
    grey = viewer.evaluate(
        """([points]) => {
            const pane = viewer.panes[0];
            const r = pane.root.getBoundingClientRect();
            const ctx = pane.canvas.getContext("2d");
            const pixel = (n) => Math.floor(n * pane.ratio);
            return points.map(([x, y]) => ctx.getImageData(pixel(x - r.left), pixel(y - r.top), 1, 1).data[0]);
        }""",
        [[at(viewer, "axial", 20, 32, i) for i in (5, 40, 75)]],
    )
    wanted = [255 * ((200 + 32 - i - 179.5) / 199 + 0.5) for i in (5, 40, 75)]
    assert grey == pytest.approx(wanted, abs=3)


def test_wheel_scrolls_and_ctrl_wheel_zooms_at_the_cursor(viewer: Page) -> None:
    spot = at(viewer, "axial", 20, 20, 30)
    viewer.mouse.move(*spot)
    viewer.mouse.wheel(0, 100)
    settle(viewer)
    assert cursor(viewer)[0] == 21
    assert viewer.locator("[data-plane=axial]").get_attribute("aria-label") == "Axial view, slice 22 of 40"
    viewer.keyboard.down("Shift")
    viewer.mouse.wheel(0, -100)
    viewer.keyboard.up("Shift")
    settle(viewer)
    assert cursor(viewer)[0] == 16
    viewer.keyboard.down("Control")
    viewer.mouse.wheel(0, -200)
    viewer.keyboard.up("Control")
    settle(viewer)
    assert view(viewer)["zoom"] > 1.2
    assert at(viewer, "axial", 16, 20, 30) == pytest.approx(spot, abs=1)  # wheel events carry whole pixels


def test_drags_of_window_pan_and_zoom(viewer: Page) -> None:
    middle = at(viewer, "axial", 20, 32, 40)
    right = middle[0] + 60, middle[1]
    before = viewer.evaluate("viewer.window")
    drag(viewer, middle, right)
    after = viewer.evaluate("viewer.window")
    assert after["width"] > before["width"]
    assert after["centre"] == before["centre"]
    drag(viewer, middle, right, "middle")
    assert at(viewer, "axial", 20, 32, 40) == pytest.approx(right, abs=0.01)
    drag(viewer, middle, (middle[0] + 9999, middle[1]), "middle")
    assert view(viewer)["u"] >= -0.5
    viewer.evaluate("viewer.fit()")
    drag(viewer, middle, (middle[0], middle[1] - 60), "right")
    assert view(viewer)["zoom"] > 1.2
    viewer.evaluate("viewer.fit()")
    viewer.keyboard.down("Space")
    drag(viewer, middle, right)
    viewer.keyboard.up("Space")
    assert at(viewer, "axial", 20, 32, 40) == pytest.approx(right, abs=0.01)


def test_escape_undoes_a_drag_in_progress(viewer: Page) -> None:
    middle = at(viewer, "axial", 20, 32, 40)
    before = viewer.evaluate("viewer.window")
    viewer.mouse.move(*middle)
    viewer.mouse.down()
    viewer.mouse.move(middle[0] + 80, middle[1] + 40)
    assert viewer.evaluate("viewer.window") != before
    viewer.keyboard.press("Escape")
    viewer.mouse.up()
    assert viewer.evaluate("viewer.window") == before


def test_clicks_and_shift_link_the_planes(viewer: Page) -> None:
    viewer.mouse.click(*at(viewer, "axial", 20, 11, 66))
    assert cursor(viewer) == (20, 11, 66)
    viewer.mouse.move(*at(viewer, "coronal", 30, 11, 22))
    viewer.keyboard.down("Shift")
    viewer.mouse.move(*at(viewer, "coronal", 31, 11, 23))
    viewer.keyboard.up("Shift")
    assert cursor(viewer) == (31, 11, 23)


def test_double_click_maximises_and_restores_without_moving(viewer: Page) -> None:
    before = cursor(viewer)
    viewer.mouse.dblclick(*at(viewer, "coronal", 10, 32, 20))
    settle(viewer)
    assert viewer.evaluate("[viewer.layout, viewer.main.plane.name]") == ["single", "coronal"]
    assert cursor(viewer) == before
    viewer.mouse.dblclick(*at(viewer, "coronal", 10, 32, 20))
    assert viewer.evaluate("[viewer.layout, viewer.main.plane.name]") == ["three", "axial"]


def test_double_click_in_a_finding_keeps_the_slice_even_where_the_page_jumps(viewer: Page) -> None:
    show_box(viewer, {"k0": 2, "j0": 10, "i0": 10, "k1": 30, "j1": 50, "i1": 60})
    viewer.evaluate("""() => {
        viewer.select(null);
        viewer.addEventListener("select", ({ detail }) => detail.id && viewer.jumpTo(detail.id));
        viewer.goTo({ k: 25, j: 30, i: 40 });
        viewer.showPlane("coronal");
        viewer.maximise();
    }""")
    settle(viewer)
    layout = "[viewer.layout, viewer.main.plane.name]"
    for shown in (["three", "coronal"], ["single", "coronal"], ["three", "coronal"]):
        viewer.mouse.dblclick(*at(viewer, "coronal", 22, 30, 20))
        settle(viewer)
        assert viewer.evaluate(layout) == shown
        assert cursor(viewer) == (25, 30, 40)
        viewer.wait_for_timeout(600)  # past the time in which a press still counts as the second of two


def test_a_flip_is_said_in_its_pane_and_ends_with_the_series(viewer: Page) -> None:
    mark = viewer.locator("[data-plane=axial] .vw-turned")
    assert mark.inner_text() == ""
    viewer.evaluate("viewer.flip('h')")
    settle(viewer)
    assert mark.inner_text() == "Flipped left-right"
    assert mark.is_visible()
    viewer.evaluate("viewer.rotate(); viewer.zoomBy(2)")
    settle(viewer)
    assert mark.inner_text() == "Rotated 270° · Flipped left-right"
    viewer.mouse.click(*at(viewer, "sagittal", 20, 32, 40))
    viewer.evaluate("viewer.flip('v')")
    settle(viewer)
    small = viewer.locator("[data-plane=sagittal] .vw-turned")
    assert small.inner_text() == "Flipped top-bottom"
    assert small.is_visible()
    for uid in ("other", "small"):
        opened = f"viewer.open({json.dumps(series(uid, SHAPE))}, {{ voxelsUrl: '/voxels' }})"
        assert viewer.evaluate(opened)
        settle(viewer)
        assert viewer.evaluate("viewer.panes.some((p) => p.view.flipH || p.view.flipV || p.view.turns)") is False
        assert mark.inner_text() == ""
    assert view(viewer)["zoom"] == 2  # the rest of the view is remembered


def test_frames_claim_no_place_in_the_patient(viewer: Page) -> None:
    assert viewer.locator("[data-plane=axial] .vw-position").inner_text() == "20.0 mm"
    plain = [[0, 0, 0.7, 0], [0, 0.7, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]]
    cine = series("cine", SHAPE) | {"modality": "US", "quantity": "1", "affine": plain}
    assert viewer.evaluate(f"viewer.open({json.dumps(cine)}, {{ voxelsUrl: '/voxels' }})")
    settle(viewer)
    pane = viewer.locator("[data-plane=image]")
    assert pane.locator(".vw-slice").inner_text() == "Frame 21 / 40"
    assert pane.locator(".vw-position").inner_text() == ""
    assert pane.get_attribute("aria-label") == "Image view, frame 21 of 40"
    viewer.mouse.move(*at(viewer, "image", 20, 30, 35))
    probe = last(viewer, "probe")
    assert (probe["index"], probe["value"], probe["lps"]) == ([20, 30, 35], 195, None)
    viewer.evaluate("viewer.flip('h')")
    settle(viewer)
    assert pane.locator(".vw-turned").inner_text() == "Flipped left-right"


def test_a_box_is_drawn_in_any_plane_with_inclusive_corners(viewer: Page) -> None:
    viewer.evaluate("viewer.setTool('box')")
    drag(viewer, at(viewer, "axial", 20, 10, 60), at(viewer, "axial", 20, 25, 31))
    assert last(viewer, "box")["box"] == {"k0": 20, "j0": 10, "i0": 31, "k1": 20, "j1": 25, "i1": 60}
    drag(viewer, at(viewer, "sagittal", 5, 12, 40), at(viewer, "sagittal", 30, 40, 40))
    assert last(viewer, "box")["box"] == {"k0": 5, "j0": 12, "i0": 40, "k1": 30, "j1": 40, "i1": 40}


def test_a_box_is_moved_resized_and_thickened_and_said_once(viewer: Page) -> None:
    box = {"k0": 20, "j0": 20, "i0": 20, "k1": 20, "j1": 40, "i1": 50}
    show_box(viewer, box)
    viewer.evaluate("viewer.setTool('select')")
    drag(viewer, at(viewer, "axial", 20, 40.5, 50.5), at(viewer, "axial", 20, 45.5, 60.5))
    resized = box | {"j1": 45, "i1": 60}
    change = last(viewer, "boxchange")
    assert (change["id"], change["before"], change["box"]) == ("b", box, resized)
    drag(viewer, at(viewer, "axial", 20, 30, 35), at(viewer, "axial", 20, 25, 38))
    moved = resized | {"j0": 15, "j1": 40, "i0": 23, "i1": 63}
    assert last(viewer, "boxchange")["box"] == moved
    viewer.evaluate("viewer.goTo({ k: 20, j: 30, i: 40 })")
    drag(viewer, at(viewer, "coronal", 20.5, 30, 43), at(viewer, "coronal", 28.5, 30, 43))
    assert last(viewer, "boxchange")["box"] == moved | {"k1": 28}
    assert viewer.evaluate("seen.filter((event) => event.name === 'boxchange').length") == 3


def test_points_with_both_polarities(viewer: Page) -> None:
    viewer.evaluate("viewer.setTool('point')")
    viewer.mouse.click(*at(viewer, "coronal", 7, 32, 50))
    point = last(viewer, "point")
    assert [point[n] for n in ("k", "j", "i", "positive", "plane")] == [7, 32, 50, True, "coronal"]
    viewer.keyboard.down("Alt")
    viewer.mouse.click(*at(viewer, "axial", 20, 32, 50))
    viewer.keyboard.up("Alt")
    assert last(viewer, "point")["positive"] is False
    viewer.evaluate("viewer.setPolarity(false)")
    viewer.mouse.click(*at(viewer, "axial", 20, 30, 50))
    assert last(viewer, "point")["positive"] is False


def test_a_click_selects_what_it_hits_and_tags_say_the_state(viewer: Page) -> None:
    show_box(viewer, {"k0": 18, "j0": 20, "i0": 20, "k1": 22, "j1": 40, "i1": 50})
    tag = viewer.locator("[data-plane=axial] .vw-tag")
    assert tag.inner_text() == "+ mine"
    assert tag.get_attribute("data-state") == "added"
    viewer.mouse.click(*at(viewer, "axial", 20, 5, 5))
    assert last(viewer, "select")["id"] is None
    viewer.mouse.click(*at(viewer, "axial", 20, 30, 30))
    assert last(viewer, "select")["id"] == "b"
    viewer.evaluate("viewer.goTo({ k: 23, j: 30, i: 30 })")
    settle(viewer)
    assert tag.count() == 0
    assert viewer.evaluate("viewer.jumpTo('b')")
    assert cursor(viewer) == (20, 30, 35)


def test_the_view_of_a_series_is_remembered_and_a_failure_is_said(viewer: Page) -> None:
    viewer.evaluate("viewer.goTo({ k: 9, j: 8, i: 7 }); viewer.setWindow(12, 34); viewer.zoomBy(2)")
    viewer.evaluate("viewer.close()")
    assert viewer.locator("[data-state=empty]").count() == 1
    assert viewer.get_by_text("Open a case from the worklist").is_visible()
    again = f"viewer.open({json.dumps(series('small', SHAPE))}, {{ voxelsUrl: '/voxels' }})"
    assert viewer.evaluate(again)
    assert cursor(viewer) == (9, 8, 7)
    assert viewer.evaluate("[viewer.window.centre, viewer.window.width, viewer.panes[0].view.zoom]") == [12, 34, 2]
    short = series("short", (41, 64, 80))  # the file holds one slice less than the series claims
    opened = viewer.evaluate(f"viewer.open({json.dumps(short)}, {{ voxelsUrl: '/voxels?short' }})")
    assert opened is True
    viewer.wait_for_function("seen.some((event) => event.name === 'error')", timeout=20_000)
    assert last(viewer, "error")["what"] == "The scan could not be loaded"

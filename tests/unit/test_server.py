"""The web process as the outside sees it."""

import json
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.bench.bench_server import import_image, loads, resident_mb
from tests.served import Served, free_port


def test_web_process_is_light(served: Served, tmp_path: Path) -> None:
    import_image(served, tmp_path)
    served.get("/api/worklist")
    assert not loads(served.process.pid, "libtorch")
    assert not loads(served.process.pid, "SimpleITK")
    assert resident_mb(served.process.pid) <= 300


def test_kill_minus_nine_loses_nothing_acknowledged(served: Served, tmp_path: Path) -> None:
    study = import_image(served, tmp_path)
    acknowledged = [add_box(served, study, n) for n in range(20)]
    served.kill()
    served.restart()
    after = served.get(f"/api/studies/{study['study']['study_uid']}")
    standing = {subject["id"]: subject for subject in after["subjects"]}
    assert all(standing[name]["state"] == "ADD" for name in acknowledged)


def test_stale_decision_says_who_changed_what(served: Served, tmp_path: Path) -> None:
    study = import_image(served, tmp_path)
    name = add_box(served, study, 0)
    with pytest.raises(urllib.error.HTTPError) as refused:
        served.post("/api/decisions", decision(study, name, "RETRACT", None, after_seq=0))
    assert refused.value.code == 409
    assert b"ADD" in refused.value.read()


def test_decision_sent_twice_is_kept_once(served: Served, tmp_path: Path) -> None:
    study = import_image(served, tmp_path)
    body = decision(study, str(uuid.uuid4()), "ADD", box_value(study, 3))
    first, second = served.post("/api/decisions", body), served.post("/api/decisions", body)
    assert first["subjects"] == second["subjects"]


def test_readers_do_not_see_each_other(served: Served, tmp_path: Path) -> None:
    study = import_image(served, tmp_path)
    served.post("/api/decisions", decision(study, str(uuid.uuid4()), "ADD", box_value(study, 3)), reader="A. First")
    uid = study["study"]["study_uid"]
    other = urllib.request.Request(f"{served.address}/api/studies/{uid}", headers={"X-Overread-Reader": "B. Second"})
    with urllib.request.urlopen(other) as answer:
        assert b'"ADD"' not in answer.read()


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", {"Host": "evil.example"}),
        ("POST", {"Origin": "http://evil.example", "Content-Type": "application/json"}),
        ("POST", {"Sec-Fetch-Site": "cross-site", "Content-Type": "application/json"}),
    ],
)
def test_other_sites_are_refused(served: Served, method: str, headers: dict[str, str]) -> None:
    path = "/api/worklist" if method == "GET" else "/api/seen"
    request = urllib.request.Request(served.address + path, b"{}" if method == "POST" else None, headers, method=method)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    assert refused.value.code == 403


def test_voxels_come_as_stored_and_by_range(served: Served, tmp_path: Path) -> None:
    study = import_image(served, tmp_path)
    address = f"{served.address}/api/series/{study['series'][0]['series_uid']}/voxels"
    with urllib.request.urlopen(address) as answer:
        whole = np.frombuffer(answer.read(), np.uint8).reshape(64, 64)
        assert answer.headers["Cache-Control"] == "no-store"
        assert "connect-src 'self'" in answer.headers["Content-Security-Policy"]
    assert (whole == np.add.outer(np.arange(64), np.arange(64))).all()
    part = urllib.request.Request(address, headers={"Range": "bytes=64-127"})
    with urllib.request.urlopen(part) as answer:
        assert answer.status == 206
        assert answer.read() == whole[1].tobytes()


@pytest.mark.parametrize("name", ["../../etc/passwd", "%2e%2e%2fkey", "a" * 64, "A" * 64])
def test_masks_are_named_by_hash_alone(served: Served, name: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{served.address}/api/masks/{name}")
    assert refused.value.code in (400, 404)


def test_hostile_decision_is_refused_in_words(served: Served, tmp_path: Path) -> None:
    study = import_image(served, tmp_path)
    value = box_value(study, 3)
    value["regions"][0]["j1"] = 10_000
    with pytest.raises(urllib.error.HTTPError) as refused:
        served.post("/api/decisions", decision(study, str(uuid.uuid4()), "ADD", value))
    assert refused.value.code == 400
    assert b"outside the image" in refused.value.read()


def box_value(study: dict[str, Any], corner: int) -> dict[str, Any]:
    box = {"k0": 0, "j0": corner, "i0": corner, "k1": 0, "j1": corner + 9, "i1": corner + 9}
    return {"series_uid": study["series"][0]["series_uid"], "code": {"meaning": "Region"}, "regions": [box]}


def decision(
    study: dict[str, Any], subject: str, act: str, value: dict[str, Any] | None, after_seq: int = 0
) -> dict[str, Any]:
    return {
        "subject": subject,
        "kind": "finding",
        "study_uid": study["study"]["study_uid"],
        "act": act,
        "value": value,
        "after_seq": after_seq,
        "token": str(uuid.uuid4()),
    }


def add_box(served: Served, study: dict[str, Any], corner: int) -> str:
    name = str(uuid.uuid4())
    served.post("/api/decisions", decision(study, name, "ADD", box_value(study, corner)))
    return name


def test_a_reader_takes_his_own_decisions_home(served: Served, tmp_path: Path) -> None:
    study = import_image(served, tmp_path)
    name = add_box(served, study, 4)
    with urllib.request.urlopen(f"{served.address}/api/corrections?reader=reader") as answer:
        rows = [json.loads(line) for line in answer.read().splitlines()]
        assert "attachment" in answer.headers["Content-Disposition"]
    assert [(row["subject"], row["act"]) for row in rows] == [(name, "ADD")]
    with urllib.request.urlopen(f"{served.address}/api/corrections?reader=other") as answer:
        assert answer.read() == b""


def test_one_server_a_library(served: Served) -> None:
    command = [
        sys.executable,
        "-m",
        "ui.cli",
        "serve",
        "--port",
        str(free_port()),
        "--data",
        str(served.data),
        "--json",
    ]
    second = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert second.returncode == 1
    assert "served already" in json.loads(second.stdout)["error"]["what"]


def test_a_booth_is_reset_without_deleting_anything(tmp_path: Path) -> None:
    server = Served(tmp_path / "data")
    add_box(server, import_image(server, tmp_path), 4)
    server.stop()
    server = Served(tmp_path / "data", "--reset")
    try:
        assert server.get("/api/worklist")["studies"] == []
    finally:
        server.stop()
    [aside] = [folder for folder in tmp_path.iterdir() if folder.name.startswith("data-")]
    assert (aside / "overread.sqlite3").exists()


def test_a_file_sent_through_the_browser_is_kept_and_imported(served: Served, tmp_path: Path) -> None:
    picture = tmp_path / "grey.png"
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(picture)
    for _ in range(2):  # the second has the same name and gets a number
        send(served, "20260101", "../../grey.png", picture.read_bytes())
    kept = sorted(path.name for path in (served.data / "uploads" / "20260101").iterdir())
    assert kept == ["grey-2.png", "grey.png"]
    served.post("/api/uploads/20260101/import", {})
    served.wait_for_jobs()
    assert len(served.get("/api/worklist")["studies"]) == 1  # the same picture twice is one case


@pytest.mark.parametrize("batch", ["..", "%2e%2e", "a b", "x" * 41])
def test_an_upload_cannot_leave_its_folder(served: Served, batch: str) -> None:
    with pytest.raises(urllib.error.HTTPError):
        send(served, batch, "x.png", b"x")
    assert not (served.data / "uploads").exists()


def send(served: Served, batch: str, name: str, content: bytes) -> None:
    address = f"{served.address}/api/uploads/{urllib.parse.quote(batch, safe='%.')}?name={urllib.parse.quote(name)}"
    with urllib.request.urlopen(urllib.request.Request(address, content, method="POST")) as answer:
        assert answer.status == 200

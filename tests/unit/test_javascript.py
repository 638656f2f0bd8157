"""Runs the tests of the page's and the viewer's own logic, which are written in JavaScript."""

import re
import subprocess
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "node"


def test_javascript(node: str) -> None:
    files = sorted(str(path) for path in FOLDER.glob("*.test.mjs"))
    done = subprocess.run([node, "--test", *files], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-4000:]
    passed = re.search(r"pass (\d+)", done.stdout)
    assert passed is not None
    assert int(passed.group(1)) >= len(files)

"""Fixtures that every test may use."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright._impl._driver import compute_driver_executable

from tests.served import Served

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real scans with ground truth, beside the repository; tests that need them are skipped where they are not."""
    if not SHARED.exists():
        pytest.skip("the real scans (../shared/data) are not here")
    return SHARED


@pytest.fixture(scope="session")
def node() -> str:
    """The Node.js that comes with Playwright, so that none has to be installed for the JavaScript tests."""
    executable: str = compute_driver_executable()[0]
    return executable


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A fresh server with an empty library."""
    server = Served(tmp_path / "data")
    yield server
    server.stop()

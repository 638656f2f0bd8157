"""How long a decision takes to reach the disk, beside a bare INSERT with the same pragmas in the same run."""

import json
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

from backend.domain.geometry import Geometry
from backend.domain.region import Box3D, Mask
from backend.domain.review import Act, Code, Decision, Finding, Kind, Measurement, ModelVersion, Proposal
from backend.domain.study import Series, Study
from backend.domain.volume import Quantity
from backend.language.composer import compose
from db.store import Store

DECISIONS = 400
FINDINGS = 20  # subjects of the study, so that the composed report has a usual length
LIMIT_MS = 10.0  # p95 of one decision, from call to return

_MODEL = ModelVersion("bench", "1", "0" * 64, "Apache-2.0")
_EYE = ((3.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 1.0, 0.0), (0.0, 0.0, 0.0, 1.0))


def run() -> dict[str, float]:
    """Milliseconds at p50 and p95: a decision alone, a decision with its report composed, and the bare INSERT.

    The three take turns, so that a busy disk meets them alike. ratio: p50 of a decision over p50 of the bare INSERT.
    """
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:  # not /tmp: it may be memory
        store, series = _library(Path(folder))
        alone, composed, bare = [], [], []
        with closing(_bare(Path(folder) / "bare.sqlite3")) as connection:
            report = partial(compose, "1.2.3", [series], reader="bob", ran=())
            for number in range(DECISIONS):
                alone.append(_timed(partial(store.decide, _decision(number, "ada"))))
                composed.append(_timed(partial(store.decide, _decision(number, "bob"), report)))
                bare.append(_timed(partial(_insert, connection, number)))
        store.close()
    figures = {"decisions": float(DECISIONS)}
    for name, times in (("decide", alone), ("decide_composed", composed), ("bare", bare)):
        cuts = statistics.quantiles(times, n=20)
        figures |= {f"{name}_p50_ms": cuts[9], f"{name}_p95_ms": cuts[18]}
    figures["ratio"] = figures["decide_p50_ms"] / figures["bare_p50_ms"]
    return figures


def main() -> None:
    """Print the figures; exit status 1 when the limit is missed."""
    figures = run()
    print(json.dumps({name: round(value, 3) for name, value in figures.items()}, indent=2))
    raise SystemExit(figures["decide_p95_ms"] > LIMIT_MS)


def _library(folder: Path) -> tuple[Store, Series]:
    store = Store(folder)
    series = Series(
        *("1.2.3.1", "1.2.3", "CT", "CHEST", "", Geometry((40, 64, 64), _EYE), "int16", False, Quantity.HU),
        *(1.0, 0.0, (), False, None, "0" * 64, "cache", (), ()),
    )
    store.add_study(Study("1.2.3", "P-1", ""))
    store.add_series(series)
    store.add_proposals([Proposal(f"f{n}", Kind.FINDING, "1.2.3", _finding(0.0), _MODEL) for n in range(FINDINGS)])
    return store, series


def _finding(size: float) -> Finding:
    mask = Mask("12" * 32, Box3D(1, 2, 3, 4, 5, 6), 30)
    return Finding("1.2.3.1", Code("Nodule"), (mask,), measurements=(Measurement("longest diameter", 3 + size, "mm"),))


def _decision(number: int, reader: str) -> Decision:
    """Two readers take turns: ada's are the odd rows, bob's the even ones, and each comes back every FINDINGS turns."""
    row = 2 * number + (1 if reader == "ada" else 2)
    after = max(0, row - 2 * FINDINGS)
    value = _finding(number)
    return Decision(f"f{number % FINDINGS}", Kind.FINDING, "1.2.3", reader, Act.EDIT, value, after_seq=after)


def _bare(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE decision (seq INTEGER PRIMARY KEY, payload TEXT NOT NULL)")
    return connection


def _insert(connection: sqlite3.Connection, number: int) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO decision (payload) VALUES (?)", (f"{number:0>600}",))
    connection.execute("COMMIT")


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


if __name__ == "__main__":
    main()

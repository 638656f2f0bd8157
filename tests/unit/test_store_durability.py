"""Many writers at once, and programs that die: nothing acknowledged is lost, nothing is refused for a lock."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from backend.domain.review import Act, Code, Decision, Finding, Kind
from backend.domain.study import Study
from db.store import Store
from tests.unit.test_store import STUDY, decision, make_series, proposal

WRITER = """
import sys
from pathlib import Path
from backend.domain.review import Act, Code, Decision, Finding, Kind
from db.store import Store

store = Store(Path(sys.argv[1]))
number = 0
while True:
    number += 1
    value = Finding("1.2.3.1", Code("Nodule"), site=str(number))
    made = Decision(f"added-{number}", Kind.FINDING, "1.2.3", "ada", Act.ADD, value)
    print(store.decide(made).decision.seq, number, flush=True)
"""

OPEN = "import sys; from pathlib import Path; from db.store import Store; Store(Path(sys.argv[1]))"

CHAIN = """
import sys
from pathlib import Path
from backend.domain.review import Act, Code, Decision, Finding, Kind
from db.store import Store

store, reader = Store(Path(sys.argv[1])), sys.argv[2]
for number in range(25):
    value = Finding("1.2.3.1", Code("Nodule"), site=str(number))
    store.decide(Decision(f"{reader}-{number}", Kind.FINDING, "1.2.3", reader, Act.ADD, value))
"""


def library(folder: Path) -> Store:
    store = Store(folder)
    store.add_study(STUDY)
    store.add_series(make_series())
    return store


def added(subject: str, reader: str, text: str = "") -> Decision:
    value = Finding("1.2.3.1", Code("Nodule"), site=text)
    return Decision(subject, Kind.FINDING, STUDY.study_uid, reader, Act.ADD, value)


def test_eight_threads_of_fifty_decisions_meet_no_lock(tmp_path: Path) -> None:
    store = library(tmp_path)
    store.add_proposals([proposal("f1")])

    def review(reader: str) -> int:
        after = 0
        for number in range(50):
            act = Act.EDIT if number % 2 else Act.ACCEPT
            after = store.decide(decision("f1", act, reader=reader, after=after)).decision.seq
            assert store.subjects(STUDY.study_uid, reader)[0].decision is not None
        return after

    readers = [f"reader {n}" for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        last = dict(zip(readers, pool.map(review, readers), strict=True))
    made = store.decisions(STUDY.study_uid)
    assert len(made) == 400
    for reader in readers:
        chain = [d for d in made if d.reader == reader]
        assert [d.after_seq for d in chain] == [0, *(d.seq for d in chain[:-1])]
        assert chain[-1].seq == last[reader]


def test_several_processes_open_and_write_at_once(tmp_path: Path) -> None:
    running = [subprocess.Popen([sys.executable, "-c", OPEN, str(tmp_path)]) for _ in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    store = library(tmp_path)
    running = [subprocess.Popen([sys.executable, "-c", CHAIN, str(tmp_path), f"r{n}"]) for n in range(3)]
    for number in range(25):
        store.decide(added(f"here-{number}", "here"))
    assert [process.wait(60) for process in running] == [0, 0, 0]
    assert len(store.decisions()) == 100


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    library(tmp_path).close()
    for turn in range(3):
        before = {d.subject for d in Store(tmp_path).decisions()}
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER.replace("added-", f"added-{turn}-"), str(tmp_path)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        acknowledged = [process.stdout.readline() for _ in range(10 + 7 * turn)]
        os.kill(process.pid, signal.SIGKILL)
        acknowledged += process.stdout.readlines()
        process.wait(30)
        kept = {d.seq: d for d in Store(tmp_path).decisions()}
        whole = [line.split() for line in acknowledged if line.endswith("\n")]
        assert len(whole) >= 10
        for seq, number in whole:
            decided = kept[int(seq)]
            assert decided.subject == f"added-{turn}-{number}"
            assert isinstance(decided.value, Finding)
            assert decided.value.site == number
        assert before <= {d.subject for d in kept.values()}


def test_a_reader_sees_one_state_while_another_writes(tmp_path: Path) -> None:
    store = library(tmp_path)
    for number in range(3):
        store.decide(added(f"a{number}", "ada"))
    corrections = store.corrections()
    next(corrections)
    started = time.perf_counter()
    store.decide(added("a9", "ada"))
    assert time.perf_counter() - started < 5
    assert [c.subject for c in corrections] == ["a1", "a2"]
    assert len(list(store.corrections())) == 4


def test_two_libraries_do_not_know_of_each_other(tmp_path: Path) -> None:
    one, two = library(tmp_path / "one"), Store(tmp_path / "two")
    assert one.add_study(Study("9", "P-9", ""))
    assert two.studies("ada") == []

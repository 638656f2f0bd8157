"""A copy of the database while it is in use."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from backend.domain.errors import UserError


def backup(source: Path, target: Path) -> None:
    """Copy `source` to `target` with SQLite's online backup and check the copy; an older file at `target` is replaced.

    The copy is one file without a write-ahead log. UserError when it fails its check; `target` is then as it was.
    """
    if target.resolve() == source.resolve():
        raise UserError("A backup cannot replace the library itself", str(target), "Choose another file")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        with closing(sqlite3.connect(source)) as live, closing(sqlite3.connect(part)) as copy:
            live.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
            _check(copy)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _check(copy: sqlite3.Connection) -> None:
    problems = [str(row[0]) for row in copy.execute("PRAGMA integrity_check") if row[0] != "ok"]
    problems += [f"{row[0]} row {row[1]} points nowhere" for row in copy.execute("PRAGMA foreign_key_check")]
    if problems:
        raise UserError("The backup failed its check", problems[0], "Check the disk, then back up again")

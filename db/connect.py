"""Connections to the one SQLite file: a writer that queues in this process, and readers that cannot write.

The sqlite3 module opens transactions late and on its own terms, so its handling is switched off and SQLAlchemy's
`begin` event says BEGIN IMMEDIATE (a writer takes its lock before it reads) or BEGIN (a reader keeps one snapshot).
"""

import sqlite3
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, QueuePool, create_engine, event

BUSY_SECONDS = 60  # how long another process may hold the write lock before this one gives up


def writer_engine(file: Path) -> Engine:
    """One connection: threads of this process queue for it instead of spinning on SQLite's lock."""
    return _engine(file, pool_size=1, overflow=0, begin="BEGIN IMMEDIATE", query_only=False)


def reader_engine(file: Path) -> Engine:
    """Connections that refuse to write; WAL lets them read beside the writer."""
    return _engine(file, pool_size=4, overflow=60, begin="BEGIN", query_only=True)


def _engine(file: Path, pool_size: int, overflow: int, begin: str, query_only: bool) -> Engine:
    engine = create_engine(
        URL.create("sqlite+pysqlite", database=str(file)),
        poolclass=QueuePool,
        pool_size=pool_size,
        max_overflow=overflow,
        pool_timeout=BUSY_SECONDS,
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
    )

    def on_connect(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")  # an acknowledged decision outlives a power cut
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA recursive_triggers = ON")  # REPLACE then fires DELETE triggers
        connection.execute(f"PRAGMA query_only = {'ON' if query_only else 'OFF'}")

    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", on_connect)
    event.listen(engine, "begin", on_begin)
    return engine

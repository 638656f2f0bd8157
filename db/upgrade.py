"""Which version a library file has, and making a new one.

`PRAGMA user_version` holds the version of the tables, `PRAGMA application_id` says that the file is ours. A change of
the tables raises VERSION and upgrades inside the same transaction: drop triggers and views, change, make them again.
"""

from importlib.metadata import version

from sqlalchemy import Connection, Engine, insert, inspect, select
from sqlalchemy.exc import DatabaseError

from backend.domain.errors import UserError
from db.objects import create_objects
from db.tables import metadata, setting

VERSION = 1
APPLICATION_ID = 0x4F564552  # "OVER"
PROGRAM = "program"  # the setting that names the program which made or last upgraded the file


def prepare(writer: Engine) -> None:
    """Make the tables in a new file; check an existing one. UserError when it is newer, foreign or cannot be opened."""
    file = writer.url.database
    try:
        with writer.begin() as connection:
            _prepare(connection)
    except DatabaseError as error:
        what = "This library cannot be opened"
        next = "Check that the folder is writable and on a local disk, or restore the library from a backup"
        raise UserError(what, f"{file}: {error.orig}", next) from error


def _prepare(connection: Connection) -> None:
    found = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
    owner = int(connection.exec_driver_sql("PRAGMA application_id").scalar_one())
    tables = inspect(connection).get_table_names()
    if not tables and found == 0:
        _create(connection)
    elif owner != APPLICATION_ID:
        raise UserError(
            "This file is not an Overread library", f"a database with {len(tables)} tables", "Choose another folder"
        )
    elif found > VERSION:
        raise UserError(
            "This library was written by a newer Overread and is left untouched",
            f"library version {found}, this program reads up to {VERSION}",
            f"Install {_needed(connection, found)}",
        )


def _create(connection: Connection) -> None:
    metadata.create_all(connection, checkfirst=False)
    create_objects(connection)
    connection.execute(insert(setting).values(key=PROGRAM, value=version("overread")))
    connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.exec_driver_sql(f"PRAGMA user_version = {VERSION}")


def _needed(connection: Connection, found: int) -> str:
    """The program that a newer file needs, as far as this one can tell."""
    try:
        needed = connection.execute(select(setting.c.value).where(setting.c.key == PROGRAM)).scalar()
    except DatabaseError:  # the newer version may keep its settings elsewhere
        needed = None
    return f"Overread {needed} or later" if needed else f"an Overread that reads library version {found}"

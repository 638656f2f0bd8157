"""Backup and restore: one SQLite file that holds the store and, in a table of its own, every mask and the key.

Voxels are not in it: they are read again from the originals, which never moved.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from backend.domain.errors import UserError
from backend.imaging.mask import mask_path
from db.backup import backup
from db.store import FILE_NAME
from ui.library import KEY, LOCK, Library


def back_up(library: Library, file: Path) -> int:
    """Write `file`; the number of masks in it. Safe while a server runs."""
    if file.exists():
        _files(file)  # refuses a file that is no backup: it would be replaced
    backup(library.folder / FILE_NAME, file)
    with closing(sqlite3.connect(file)) as copy, copy:
        copy.execute("CREATE TABLE backup_file (name TEXT PRIMARY KEY, content BLOB NOT NULL)")
        copy.execute("INSERT INTO backup_file VALUES (?, ?)", (KEY, library.key()))
        masks = [path for path in library.masks.glob("??/*") if len(path.name) == 64]
        rows = ((path.name, path.read_bytes()) for path in masks)
        copy.executemany("INSERT INTO backup_file VALUES (?, ?)", rows)
    return len(masks)


def bring_back(file: Path, folder: Path) -> int:
    """Make a library in `folder`, which must be empty, from a backup; the number of masks in it."""
    if folder.exists() and any(entry.name != LOCK for entry in folder.iterdir()):
        raise UserError(
            "The data folder is not empty", str(folder), "Give a new folder with --data; nothing is overwritten"
        )
    files = _files(file)
    folder.mkdir(parents=True, exist_ok=True)
    backup(file, folder / FILE_NAME)
    with closing(sqlite3.connect(folder / FILE_NAME)) as store, store:
        store.execute("DROP TABLE backup_file")
    (folder / KEY).touch(mode=0o600)
    (folder / KEY).write_bytes(files.pop(KEY))
    for name, content in files.items():
        path = mask_path(folder / "masks", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    Library(folder)  # opens the store: an older one is upgraded, a newer one refused, now rather than later
    return len(files)


def _files(file: Path) -> dict[str, bytes]:
    if not file.exists():
        raise UserError("There is no such file", str(file), "Give a file that overread backup wrote")
    try:
        with closing(sqlite3.connect(f"file:{file.absolute()}?mode=ro", uri=True)) as copy:
            return dict(copy.execute("SELECT name, content FROM backup_file"))
    except sqlite3.DatabaseError as error:
        raise UserError(
            "This is not a backup of Overread", f"{file.name}: {error}", "Give a file that overread backup wrote"
        ) from None

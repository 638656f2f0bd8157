"""One data folder: the store, the voxel cache, the masks and the local key."""

import os
import secrets
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from platformdirs import user_data_path

from backend.domain import wire
from backend.domain.errors import UserError
from backend.domain.study import Series
from db.store import FILE_NAME, Store

KEY = "key"
LOCK = "serving.lock"


@dataclass(frozen=True)
class Refused:
    """A file that could not be imported, and why."""

    path: str
    what: str
    found: str
    next: str


def default_folder() -> Path:
    """$OVERREAD_DATA, else the platform's data folder."""
    given = os.environ.get("OVERREAD_DATA")
    return Path(given) if given else user_data_path("overread", appauthor=False)


class Library:
    """Opens (and makes, when it is new) the data folder. Originals stay where they are."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.voxels = self.folder / "voxels"
        self.masks = self.folder / "masks"
        self.demo = self.folder / "demo"
        self.uploads = self.folder / "uploads"
        try:
            for made in (self.voxels, self.masks):
                made.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            found = f"{self.folder}: {error.strerror}"
            raise UserError(
                "The data folder cannot be used", found, "Give a folder you may write to with --data"
            ) from None
        self.store = Store(self.folder / FILE_NAME)

    def key(self) -> bytes:
        """32 secret bytes that pseudonyms are made with; they never leave this folder."""
        path = self.folder / KEY
        if not path.exists():
            part = path.with_suffix(f".{os.getpid()}")
            part.touch(mode=0o600)
            part.write_bytes(secrets.token_bytes(32))
            try:
                os.link(part, path)  # whoever is first wins; both then read the same key
            except FileExistsError:
                pass
            finally:
                part.unlink()
        return path.read_bytes()

    def worker_arguments(self, series: Series) -> dict[str, Any]:
        """What a worker needs to open a series."""
        return {"series": wire.series_to_json(series), "voxels": str(self.voxels), "masks": str(self.masks)}

    def import_arguments(self, paths: Iterable[Path]) -> dict[str, Any]:
        """What a worker needs to read files into this library."""
        here = (series for series in self.store.all_series() if (self.voxels / series.cache).exists())
        known = {series.series_uid: series.pixels_sha256 for series in here}
        return {
            "paths": [str(path) for path in paths],
            "voxels": str(self.voxels),
            "key": self.key().hex(),
            "known": known,
        }

    def take(self, item: Mapping[str, Any]) -> Refused | None:
        """Keep one item of a worker's import: a series, or the refusal of a file, which is returned."""
        if "refused" in item:
            return Refused(**item["refused"])
        if not item["new"]:
            return None
        series = wire.series_from_json(item["series"])
        try:
            self.store.add_study(wire.study_from_json(item["study"]))
            self.store.add_series(series)
        except UserError as error:  # other pixels under a known UID: this series is refused, the rest is imported
            return Refused(series.sources[0].path, error.what, error.found, error.next)
        return None


def set_aside(folder: Path) -> Path | None:
    """Move a data folder out of the way under a dated name: nothing is deleted. None when it is empty."""
    if not folder.exists() or not any(entry.name != LOCK for entry in folder.iterdir()):
        return None
    aside = folder.with_name(f"{folder.name}-{datetime.now(UTC):%Y%m%d-%H%M%S}")
    shutil.move(folder, aside)
    return aside

"""Files that a browser sends: they have no path on this machine, so a copy is kept in the library and imported."""

import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

from backend.domain.errors import UserError

LIMIT = 4 * 2**30  # bytes of one file
BATCH = re.compile(r"[0-9A-Za-z-]{1,40}")
UNUSUAL = re.compile(r"[^\w.+ -]", re.ASCII)


def batch_folder(uploads: Path, batch: str) -> Path:
    """Where the files that were dropped together lie. UserError unless `batch` is a plain word."""
    if not BATCH.fullmatch(batch):
        raise UserError("This is not the name of an upload", batch[:80], "Reload the page and drop the files again")
    return uploads / batch


async def receive(folder: Path, name: str, content: AsyncIterator[bytes]) -> Path:
    """Write one file as it arrives; a name that is taken gets a number. UserError beyond LIMIT or on a full disk."""
    plain = UNUSUAL.sub("_", name.replace("\\", "/").rsplit("/", 1)[-1]).lstrip(".")[-100:] or "unnamed"
    folder.mkdir(parents=True, exist_ok=True)
    path = _free(folder, plain)
    size = 0
    try:
        with path.open("xb") as file:
            async for chunk in content:
                size += len(chunk)
                if size > LIMIT:
                    what, next = "This file is too large to send through the browser", "Import it by its path"
                    raise UserError(what, f"over {LIMIT // 2**30} GB", next)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise UserError("The file cannot be kept", error.strerror or "", "Free some space in the data folder") from None
    except BaseException:
        path.unlink(missing_ok=True)  # cut off or refused: half a file is never imported
        raise
    return path


def _free(folder: Path, name: str) -> Path:
    if not (folder / name).exists():
        return folder / name
    stem, dot, suffix = name.partition(".")
    number = next(n for n in range(2, 1_000_000) if not (folder / f"{stem}-{n}{dot}{suffix}").exists())
    return folder / f"{stem}-{number}{dot}{suffix}"

"""Starts the web process: settings first, because Gradio and its hub client read them while they are imported."""

import fcntl
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from backend.domain.errors import UserError
from ui.library import LOCK, set_aside

Announce = Callable[[str, Path], None]
"""Called with the address and the data folder."""

QUIET = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_RUN_HISTORY": "False",
    "GRADIO_SHARE": "False",
    "GRADIO_SSR_MODE": "False",
    "GRADIO_MCP_SERVER": "False",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "DO_NOT_TRACK": "1",
}


def serve(folder: Path, host: str, port: int, demo: bool, reset: bool, announce: Announce) -> None:
    """Serve until interrupted; `announce` is called once the address answers.

    UserError when the address is taken or the library is being served already.
    """
    os.environ.update(QUIET)
    os.environ["GRADIO_TEMP_DIR"] = str(folder.absolute() / "gradio")
    sys.path[:] = [entry for entry in sys.path if entry]  # nothing is imported from the folder we were started in
    _check_free(host, port)
    if reset:
        _reset(folder)
    with _alone(folder):
        _run(folder, host, port, demo, announce)


def _run(folder: Path, host: str, port: int, demo: bool, announce: Announce) -> None:
    import uvicorn

    from backend.domain.job import Job, JobKind, JobState
    from ui.http import make_app
    from ui.jobs import JobRunner
    from ui.library import Library

    library = Library(folder)
    runner = JobRunner(library)
    loaded = {job.state for job in library.store.jobs() if job.kind is JobKind.DEMO}
    if demo and not loaded & {JobState.DONE, JobState.QUEUED}:
        library.store.add_job(Job(JobKind.DEMO))
    names = frozenset({host, "127.0.0.1", "localhost", "[::1]"})

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            announce(f"http://{host}:{port}", library.folder)

    app = make_app(library, runner, names)
    Server(uvicorn.Config(app, host, port, log_level="warning", timeout_graceful_shutdown=2)).run()


def _reset(folder: Path) -> None:
    with _alone(folder):
        aside = set_aside(folder)
    if aside is not None:
        print(f"The library was set aside as {aside}; nothing was deleted.", file=sys.stderr)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One server a library: two would run each other's jobs. The lock goes with the process, kill -9 included."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            found = str(folder.absolute())
            raise UserError("This library is being served already", found, "Stop that server, or give --data") from None
        yield


def _check_free(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            found = f"{host}:{port}: {error.strerror}"
            raise UserError(
                "The address cannot be used", found, "Choose another with --port, or stop what runs there"
            ) from None

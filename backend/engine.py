"""Worker processes that own the device.

The web process imports no torch and decodes no file: it asks a worker, one request at a time, over JSON lines. A worker
that hangs or dies takes only its request with it, and killing it gives its memory back.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

from backend.domain.errors import UserError

GRACE_SECONDS = 3.0

OnEvent = Callable[[Mapping[str, Any]], None]


class Cancelled(Exception):
    """The request was cancelled by the reader."""


class Worker:
    """One lane: a child process, started at its first request and again after it was killed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._turn = threading.Lock()  # one request at a time
        self._writing = threading.Lock()  # a cancel may cut in
        self._cancelled = False
        self._number = 0

    def run(self, call: str, arguments: Mapping[str, Any], on_event: OnEvent | None = None) -> dict[str, Any]:
        """Send one request and wait for its result.

        on_event is called with each {"event": "progress" | "item", ...} in between.
        UserError when the worker says so or dies; Cancelled after `cancel`.
        """
        with self._turn:
            self._cancelled = False
            self._number += 1
            process = self._started()
            try:
                self._send(process, {"id": self._number, "call": call, "arguments": dict(arguments)})
            except BrokenPipeError:
                return self._died(process)
            assert process.stdout is not None
            for line in process.stdout:
                message = json.loads(line)
                if message["id"] != self._number:
                    continue  # the rest of a request whose caller gave up in the middle
                if message["event"] == "done":
                    result: dict[str, Any] = message["result"]
                    return result
                if message["event"] == "error":
                    raise UserError(message["what"], message["found"], message["next"])
                if message["event"] == "cancelled":
                    raise Cancelled
                if on_event is not None:
                    on_event(message)
            return self._died(process)

    def cancel(self) -> None:
        """Ask the running request to stop; kill the process if it has not within GRACE_SECONDS."""
        process, number = self._process, self._number
        if process is None or not self._turn.locked():
            return
        self._cancelled = True
        try:
            self._send(process, {"cancel": number})
        except BrokenPipeError:
            return

        def kill() -> None:
            if self._turn.locked() and self._number == number and process.poll() is None:
                process.kill()

        timer = threading.Timer(GRACE_SECONDS, kill)
        timer.daemon = True
        timer.start()

    def close(self) -> None:
        """End the process and give its memory back."""
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.kill()
            process.wait()

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "backend.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
            )
        return self._process

    def _send(self, process: subprocess.Popen[str], message: Mapping[str, Any]) -> None:
        assert process.stdin is not None
        with self._writing:
            process.stdin.write(json.dumps(message) + "\n")
            process.stdin.flush()

    def _died(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        code = process.wait()
        self._process = None
        if self._cancelled:
            raise Cancelled
        raise UserError(
            "The worker process ended before it was done",
            f"exit code {code}",
            "Run it again; if it ends again, the scan may need more memory than this machine has (see overread doctor)",
        )

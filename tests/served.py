"""A real server in a process of its own, for tests that need one."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

START_SECONDS = 30.0


class Served:
    """`overread serve` on a free loopback port with its own data folder."""

    def __init__(self, data: Path, *more: str) -> None:
        self.data = data
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self._more = more
        self.process = self._started()

    def _started(self) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "ui.cli", "serve", "--port", str(self.port), "--data", str(self.data)]
        log = (self.data.parent / f"{self.data.name}.log").open("ab")
        started = time.monotonic()
        process = subprocess.Popen([*command, *self._more], stdout=log, stderr=log)
        while time.monotonic() - started < START_SECONDS:
            if process.poll() is not None:
                raise AssertionError(f"the server ended with {process.returncode}: {self.log()[-2000:]}")
            try:
                self.get("/api/worklist")
            except OSError:
                time.sleep(0.05)
                continue
            self.start_seconds = time.monotonic() - started
            return process
        process.kill()
        raise AssertionError(f"the server did not answer in {START_SECONDS} s: {self.log()[-2000:]}")

    def log(self) -> str:
        return (self.data.parent / f"{self.data.name}.log").read_text(errors="replace")

    def get(self, path: str) -> Any:
        return self._ask(urllib.request.Request(self.address + path))

    def post(self, path: str, body: dict[str, Any], reader: str = "reader") -> Any:
        headers = {"Content-Type": "application/json", "X-Overread-Reader": reader}
        return self._ask(urllib.request.Request(self.address + path, json.dumps(body).encode(), headers))

    def _ask(self, request: urllib.request.Request) -> Any:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())

    def wait_for_jobs(self, seconds: float = 120.0) -> list[Any]:
        """Until no job is queued or running; the jobs."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            jobs: list[Any] = self.get("/api/jobs")["jobs"]
            if all(job["state"] not in ("queued", "running") for job in jobs):
                return jobs
            time.sleep(0.2)
        raise AssertionError(f"jobs still run after {seconds} s: {self.get('/api/jobs')}")

    def kill(self) -> None:
        """kill -9: nothing gets a chance to tidy up."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def restart(self) -> None:
        self.process = self._started()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.kill()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

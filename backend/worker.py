"""What runs inside a worker process: JSON lines in on stdin, out on stdout, one request at a time.

In: {"id", "call", "arguments"} or {"cancel": id}. Out: {"id", "event": "progress" | "item" | "done" | "error" |
"cancelled", ...}. When stdin closes, the parent is gone and so is the worker.
"""

import json
import os
import queue
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Mapping
from typing import Any, TextIO

from backend import calls
from backend.domain.errors import UserError
from backend.engine import Cancelled

PROGRESS_SECONDS = 0.15


class Conversation:
    """The running request as a call sees it: where its progress and items go, and whether it was cancelled."""

    def __init__(self, out: TextIO, number: int, cancelled: set[int]) -> None:
        self._out, self._number, self._cancelled = out, number, cancelled
        self._last = 0.0

    def say(self, event: str, **fields: Any) -> None:
        self._out.write(json.dumps({"id": self._number, "event": event, **fields}) + "\n")
        self._out.flush()

    def progress(self, fraction: float, step: str) -> None:
        """Thinned out, so that a tight loop may call it; raises Cancelled."""
        if self._number in self._cancelled:
            raise Cancelled
        now = time.monotonic()
        if now - self._last >= PROGRESS_SECONDS:
            self._last = now
            self.say("progress", fraction=round(float(fraction), 4), step=step)

    def item(self, **fields: Any) -> None:
        self.say("item", **fields)


def main() -> None:
    """Serve until stdin closes."""
    # The protocol has the real stdout for itself: whatever a library prints goes to stderr.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    warnings.filterwarnings("ignore")  # readers' warnings quote header values, which may name a patient
    requests: queue.Queue[Mapping[str, Any]] = queue.Queue()
    cancelled: set[int] = set()
    threading.Thread(target=_listen, args=(requests, cancelled), daemon=True).start()
    while True:
        request = requests.get()
        _answer(request, Conversation(out, int(request["id"]), cancelled))


def _listen(requests: "queue.Queue[Mapping[str, Any]]", cancelled: set[int]) -> None:
    for line in sys.stdin:
        message = json.loads(line)
        if "cancel" in message:
            cancelled.add(int(message["cancel"]))
        else:
            requests.put(message)
    os._exit(0)


def _answer(request: Mapping[str, Any], conversation: Conversation) -> None:
    try:
        result = calls.CALLS[request["call"]](request["arguments"], conversation.progress, conversation.item)
        conversation.say("done", result=result)
    except Cancelled:
        conversation.say("cancelled")
    except UserError as error:
        conversation.say("error", what=error.what, found=error.found, next=error.next)
    except MemoryError:
        conversation.say(
            "error", what="There was not enough memory", found="", next="Close other programs and run again"
        )
    except Exception as error:
        # The last resort of a process: the bug is printed whole for its finder, and the reader learns that it is one.
        traceback.print_exc()
        conversation.say(
            "error",
            what=f"{request['call']} met a fault in the program",
            found=type(error).__name__,
            next="Run it again; if it fails again, report it with the server's log",
        )


if __name__ == "__main__":
    main()

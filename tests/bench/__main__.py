"""`make bench`: every measured figure, as a table on the screen and as JSON under tests/bench/results.

Names after the command choose some: `python -m tests.bench store viewer`.
"""

import json
import platform
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
NEEDS_SCANS = {"prompt", "cxr_lungs"}
ALL = ("server", "store", "open", "viewer", "prompt", "cxr_lungs")


def main(chosen: tuple[str, ...]) -> None:
    """Run them in turn; one that needs the real scans says so where they are absent."""
    for name in chosen or ALL:
        run: Callable[..., dict[str, Any]] = import_module(f"tests.bench.bench_{name}").run
        if name in NEEDS_SCANS and not SHARED.exists():
            print(f"\n{name}: left out, the real scans are not here")
            continue
        result = run(SHARED) if name in NEEDS_SCANS else run()
        result["machine"] = {"cpu": cpu(), "python": platform.python_version()}
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=1, sort_keys=True) + "\n")
        print(f"\n{name}")
        show(result)


def show(result: dict[str, Any], indent: str = "  ") -> None:
    """One figure a line."""
    for key, value in result.items():
        if isinstance(value, dict):
            print(f"{indent}{key}")
            show(value, indent + "  ")
        elif isinstance(value, list):
            for item in value:
                print(f"{indent}{item}")
        elif isinstance(value, float):
            print(f"{indent}{key:40} {value:10.3f}")
        else:
            print(f"{indent}{key:40} {value!s:>10}")


def cpu() -> str:
    """The processor's name and how many cores we may use; figures mean nothing without it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {len(names) or 'unknown'} cores"


if __name__ == "__main__":
    main(tuple(sys.argv[1:]))

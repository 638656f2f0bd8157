"""What this machine can do: PASS, WARN or FAIL, each with its remedy."""

import importlib
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from backend.experts import registry
from backend.experts.card import assets_folder

NEEDED = ("gradio", "torch", "transformers", "SimpleITK", "pydicom", "sqlalchemy", "plotly", "nibabel", "scipy")
FREE_GB = 5
MEMORY_GB = 4

# What each pydicom plugin adds (pydicom user guide, "Installing decoder plugins").
DECODERS = {
    "gdcm": ("python-gdcm", "JPEG baseline, extended and lossless, JPEG-LS, JPEG 2000"),
    "openjpeg": ("pylibjpeg-openjpeg", "JPEG 2000 and High-Throughput JPEG 2000"),
    "jpeg_ls": ("pyjpegls", "JPEG-LS"),
}


class Verdict(StrEnum):
    PASS = "PASS"
    WARN = "WARN"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Check:
    verdict: Verdict
    what: str
    found: str
    remedy: str = ""


def examine(data: Path) -> Iterator[Check]:
    """Look at the interpreter, the packages, the device, the disk and the weights; changes nothing."""
    yield _python()
    yield from _packages()
    yield from _decoders()
    yield _device()
    yield _memory()
    yield from _disk(data)
    yield from _weights()


def _python() -> Check:
    good = sys.version_info >= (3, 11)
    found = ".".join(str(n) for n in sys.version_info[:3])
    return Check(
        Verdict.PASS if good else Verdict.FAIL, "Python 3.11 or newer", found, "" if good else "Install Python 3.11"
    )


def _packages() -> Iterator[Check]:
    for name in NEEDED:
        try:
            yield Check(Verdict.PASS, f"package {name}", version(name))
        except PackageNotFoundError:
            yield Check(
                Verdict.FAIL, f"package {name}", "not installed", "Run make run, or pip install -c constraints.txt -e ."
            )


def _decoders() -> Iterator[Check]:
    for module, (package, syntaxes) in DECODERS.items():
        try:
            importlib.import_module(module)
            yield Check(Verdict.PASS, f"DICOM decoder {package}", syntaxes)
        except ImportError as error:
            found = f"{error}; without it: no {syntaxes}"
            yield Check(Verdict.WARN, f"DICOM decoder {package}", found, f"pip install {package}")


def _device() -> Check:
    import torch

    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        name = torch.cuda.get_device_name()
        return Check(Verdict.PASS, "GPU", f"{name}, {free / 2**30:.0f} of {total / 2**30:.0f} GB free")
    found = f"none; {torch.get_num_threads()} CPU threads"
    remedy = "The built-in experts run well on a CPU; for large models install a GPU and the CUDA build of torch"
    return Check(Verdict.WARN, "GPU", found, remedy)


def _memory() -> Check:
    lines = Path("/proc/meminfo")
    if not lines.exists():
        return Check(Verdict.WARN, "memory", "cannot be read on this system", f"Keep {MEMORY_GB} GB free")
    kilobytes = next(int(line.split()[1]) for line in lines.read_text().splitlines() if line.startswith("MemAvailable"))
    good = kilobytes / 2**20 >= MEMORY_GB
    found = f"{kilobytes / 2**20:.1f} GB available"
    return Check(Verdict.PASS if good else Verdict.WARN, "memory", found, "" if good else "Close other programs")


def _disk(data: Path) -> Iterator[Check]:
    place = next(folder for folder in (data.absolute(), *data.absolute().parents) if folder.exists())
    free = shutil.disk_usage(place).free / 2**30
    good = free >= FREE_GB
    remedy = "" if good else "Free some space or choose another folder with --data"
    yield Check(
        Verdict.PASS if good else Verdict.WARN, "disk for the voxel cache", f"{free:.0f} GB free at {place}", remedy
    )
    modern = sqlite3.sqlite_version_info >= (3, 35)
    remedy = "" if modern else "Use a Python that is built with SQLite 3.35 or newer"
    yield Check(Verdict.PASS if modern else Verdict.FAIL, "SQLite", sqlite3.sqlite_version, remedy)


def _weights() -> Iterator[Check]:
    for card in registry.cards():
        if card.weights:
            path = assets_folder() / card.weights
            there = path.exists()
            remedy = "" if there else "Check the installation out again: the weights belong to it"
            yield Check(Verdict.PASS if there else Verdict.FAIL, f"weights of {card.name}", card.weights, remedy)

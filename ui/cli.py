"""The console script `overread`."""

import argparse
import json
import sqlite3
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

from sqlalchemy.exc import SQLAlchemyError

from backend.domain.errors import UserError
from backend.domain.region import Box3D, Point3D
from ui import commands
from ui.commands import Outcome
from ui.library import default_folder

EPILOG = """examples:
  overread serve                                 open the reading room on http://127.0.0.1:7860
  overread import ~/scans                        everything readable under a folder; originals stay where they are
  overread propose SERIES_UID --expert CT_ANATOMY
  overread segment ct.nii.gz --point 40,256,180 --point 40,300,200:- --out mask.nii.gz
  overread export --format jsonl --out corrections

Exit status: 0 done, 1 refused with a reason, 2 wrong usage. For research, not a medical device."""

Command = Callable[[argparse.Namespace], Outcome]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the return value is the exit status."""
    given = parser().parse_args(arguments)
    command: Command = given.command
    try:
        outcome = command(given)
    except UserError as error:
        outcome = _refused(error)
    except (OSError, sqlite3.Error, SQLAlchemyError) as error:
        # A full disk, a folder that may not be written to, a database that is none: the machine's refusals, not ours.
        next = "Check the path, the rights and the free space"
        outcome = _refused(UserError("This cannot be read or written here", str(error).splitlines()[0], next))
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return 130
    if given.json:
        if outcome.document is not None:
            print(json.dumps(outcome.document, indent=2, allow_nan=False))
    elif outcome.text:
        print(outcome.text, file=sys.stderr if outcome.status else sys.stdout)
    return outcome.status


def _refused(error: UserError) -> Outcome:
    return Outcome({"error": {"what": error.what, "found": error.found, "next": error.next}}, str(error), 1)


class Parser(argparse.ArgumentParser):
    """Says wrong usage as JSON too, when JSON was asked for."""

    def error(self, message: str) -> NoReturn:
        if "--json" in sys.argv:
            said = {"what": "Wrong usage", "found": message, "next": f"See {self.prog} --help"}
            print(json.dumps({"error": said}, indent=2))
            self.exit(2)
        super().error(message)


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = Parser(
        prog="overread",
        description="The second read of every AI draft: open a scan, decide on each proposal, keep every decision.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=version("overread"))
    shared = Parser(add_help=False)
    data_help = "data folder: store, masks and voxel cache (default: $OVERREAD_DATA, else %(default)s)"
    shared.add_argument("--data", type=Path, default=default_folder(), metavar="DIR", help=data_help)
    shared.add_argument("--json", action="store_true", help="print exactly one JSON document on stdout")
    subs = top.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Command, teaches: str) -> argparse.ArgumentParser:
        sub = subs.add_parser(name, parents=[shared], help=teaches, description=teaches)
        sub.set_defaults(command=command)
        return sub

    sub = add("serve", commands.serve, "Open the reading room in a browser on this machine.")
    sub.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default %(default)s: this machine only)"
    )
    sub.add_argument("--port", type=int, default=7860, help="default %(default)s")
    sub.add_argument("--demo", action="store_true", help="load the demo cases into a library that has none")
    sub.add_argument("--reset", action="store_true", help="set the library aside under a dated name and start afresh")
    sub = add(
        "import", commands.read_in, "Import DICOM, NIfTI, NRRD, MHA, PNG and JPEG; originals stay where they are."
    )
    sub.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="files or folders (searched to the bottom)")
    add("studies", commands.studies, "List what was imported and how much of it was decided.")
    sub = add("inspect", commands.inspect, "Say how each file would be read, without importing it.")
    sub.add_argument("paths", nargs="+", type=Path, metavar="PATH")
    sub = add("propose", commands.propose, "Run an expert on a series and keep what it proposes.")
    sub.add_argument("series_uid", metavar="SERIES_UID", help="from overread studies --json")
    sub.add_argument("--expert", required=True, metavar="NAME", help="one of overread models")
    sub = add("segment", commands.segment, "Segment one structure of a file from clicks or a box.")
    sub.add_argument("file", type=Path, metavar="FILE", help="an image or volume; a DICOM folder holds one series")
    point_help = "a voxel inside the structure, counted from 0 as slice,row,column; :- marks one outside; repeatable"
    sub.add_argument("--point", type=_point, action="append", default=[], metavar="k,j,i[:-]", help=point_help)
    sub.add_argument("--box", type=_box, metavar="k0,j0,i0,k1,j1,i1", help="inclusive corners around the structure")
    sub.add_argument("--out", type=Path, required=True, metavar="MASK.nii.gz", help="mask on the file's own grid")
    sub = add("export", commands.export, "Write what was decided: masks (nifti) or training pairs (jsonl).")
    sub.add_argument("--format", required=True, choices=sorted(commands.FORMATS), metavar="F", help="nifti or jsonl")
    sub.add_argument("--out", type=Path, required=True, metavar="DIR", help="a folder; made when it is not there")
    sub.add_argument("--reader", default="", metavar="NAME", help="one reader's decisions only")
    add("models", commands.models, "List the experts with gate, assumptions, accuracy, memory and licence.")
    add("doctor", commands.doctor, "Check this machine: PASS, WARN or FAIL, each with its remedy.")
    sub = add("backup", commands.backup, "Write store, masks and key into one SQLite file, also while the server runs.")
    sub.add_argument("file", type=Path, metavar="FILE")
    sub = add("restore", commands.restore, "Make a library from a backup, in an empty data folder.")
    sub.add_argument("file", type=Path, metavar="FILE")
    return top


def _point(text: str) -> Point3D:
    body, _, sign = text.partition(":")
    if sign not in ("", "+", "-"):
        raise argparse.ArgumentTypeError(f"{text!r}: after the colon comes - (outside) or + (inside)")
    k, j, i = _integers(body, 3, text)
    return Point3D(k, j, i, sign != "-")


def _box(text: str) -> Box3D:
    try:
        return Box3D(*_integers(text, 6, text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from None


def _integers(body: str, count: int, text: str) -> list[int]:
    parts = body.split(",")
    if len(parts) != count or not all(part.strip().lstrip("-").isdigit() for part in parts):
        raise argparse.ArgumentTypeError(
            f"{text!r}: give {count} whole numbers with commas, e.g. {','.join('123456'[:count])}"
        )
    return [int(part) for part in parts]


if __name__ == "__main__":
    sys.exit(main())

"""Corrections as JSON lines: one training pair a line, without patient identity or file paths.

A reader's note stays in the library: it is free text for colleagues, and may name a patient.
"""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from backend.domain.correction import Correction
from backend.domain.review import Finding, ModelVersion, Value
from backend.domain.wire import value_to_json

SCHEMA = 1  # raised when a key changes its meaning or goes; new keys may be added at the end


def rows(corrections: Iterable[Correction]) -> Iterator[dict[str, Any]]:
    """One JSON object a correction; the keys stand in the order given here.

    proposed, model: null for what the reader added. decided: for REJECT, the value refused. proposed_masks and
    decided_masks: sha256 of the library's mask files that the values name. image: sha256 of the series' stored pixels.
    """
    for one in corrections:
        yield {
            "schema": SCHEMA,
            "subject": one.subject,
            "kind": str(one.kind),
            "study_uid": one.study_uid,
            "series_uid": one.series_uid,
            "image": one.pixels_sha256,
            "proposed": None if one.proposed is None else value_to_json(one.proposed),
            "proposed_masks": _masks(one.proposed),
            "act": str(one.act),
            "reason": None if one.reason is None else str(one.reason),
            "decided": value_to_json(one.value),
            "decided_masks": _masks(one.value),
            "model": _model(one.model),
            "reader": one.reader,
            "seconds": one.seconds,
            "created": one.created,
            "app_version": one.app_version,
        }


def lines(corrections: Iterable[Correction]) -> Iterator[str]:
    """The same as text, a line each.

    All is ASCII: a line separator (U+2028) inside a text would otherwise end the line for some readers.
    """
    for row in rows(corrections):
        yield json.dumps(row, allow_nan=False) + "\n"


def save(path: Path, corrections: Iterable[Correction]) -> int:
    """Write them to `path` and return how many. The file appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    count = 0
    try:
        with part.open("w", encoding="ascii", newline="\n") as file:
            for line in lines(corrections):
                file.write(line)
                count += 1
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return count


def _masks(value: Value | None) -> list[str]:
    return [mask.sha256 for mask in value.masks] if isinstance(value, Finding) else []


def _model(model: ModelVersion | None) -> dict[str, str] | None:
    if model is None:
        return None
    return {"name": model.name, "version": model.version, "fingerprint": model.fingerprint, "licence": model.licence}

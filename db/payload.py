"""Values as the text that is kept. Each text carries the number of its format and is brought up to date on reading."""

import json
from dataclasses import replace
from functools import lru_cache
from typing import Any

from backend.domain.errors import UserError
from backend.domain.review import Kind, Value
from backend.domain.study import Series, Source
from backend.domain.wire import series_from_json, series_to_json, value_from_json, value_to_json

FORMAT = 1


def dump_value(kind: Kind, value: Value) -> str:
    """UserError when the value could not be read back: it is checked before it is kept for ever."""
    fields = value_to_json(value)
    value_from_json(kind, fields)
    text = _dump({"format": FORMAT, "value": fields})
    if not is_unicode(text):
        raise UserError(f"A text in this {kind} holds characters that cannot be kept", next="Type it again")
    return text


def is_unicode(text: str) -> bool:
    """Whether it can be written as UTF-8: JSON lets half a surrogate pair through."""
    return not any("\ud800" <= c <= "\udfff" for c in text)


@lru_cache(maxsize=20_000)
def load_value(kind: Kind, text: str) -> Value:
    """UserError when a newer program wrote it. Kept by its text: rows never change, and values are frozen."""
    return value_from_json(kind, _fields(text)["value"])


def dump_series(series: Series) -> str:
    """All of a series but its sources, which have a table."""
    return _dump({"format": FORMAT, "value": series_to_json(replace(series, sources=()))})


def load_series(text: str, sources: tuple[Source, ...]) -> Series:
    return replace(series_from_json(_fields(text)["value"]), sources=sources)


def _dump(fields: dict[str, Any]) -> str:
    return json.dumps(fields, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _fields(text: str) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(text)
    if fields["format"] > FORMAT:
        raise UserError(
            "A newer Overread wrote part of this library",
            f"format {fields['format']}, this program reads up to {FORMAT}",
            "Install the newer version",
        )
    return fields

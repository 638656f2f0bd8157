"""JSON to values and back. Nothing from a browser, a file or a model means anything until it has passed here."""

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from backend.domain.errors import UserError
from backend.domain.region import Box3D, Mask, Point3D
from backend.domain.review import Decision, Finding, Kind, Measurement, ModelVersion, Sentence, Spot, Value
from backend.domain.study import Series, Study

TEXT_LIMIT = 4000
LIST_LIMIT = 1000

_VALUES: dict[Kind, TypeAdapter[Any]] = {
    Kind.FINDING: TypeAdapter(Finding),
    Kind.SENTENCE: TypeAdapter(Sentence),
    Kind.SPOT: TypeAdapter(Spot),
}
_MODEL = TypeAdapter(ModelVersion)
_DECISION = TypeAdapter(Decision)
_STUDY = TypeAdapter(Study)
_SERIES = TypeAdapter(Series)
_POINTS = TypeAdapter(tuple[Point3D, ...])
_BOX = TypeAdapter(Box3D | None)
_MASK = TypeAdapter(Mask | None)
_REGION: TypeAdapter[Box3D | Mask | None] = TypeAdapter(Box3D | Mask | None)
_MEASUREMENTS = TypeAdapter(tuple[Measurement, ...])


def value_to_json(value: Value) -> dict[str, Any]:
    """Plain JSON types; the kind travels beside it, not in it."""
    kind = Kind.FINDING if isinstance(value, Finding) else Kind.SENTENCE if isinstance(value, Sentence) else Kind.SPOT
    dumped: dict[str, Any] = _VALUES[kind].dump_python(value, mode="json")
    return dumped


def value_from_json(kind: Kind, data: Mapping[str, Any]) -> Value:
    """Check and build; UserError names the first field that is wrong."""
    value: Value = _validated(_VALUES[kind], data, str(kind))
    return value


def model_to_json(model: ModelVersion) -> dict[str, Any]:
    dumped: dict[str, Any] = _MODEL.dump_python(model, mode="json")
    return dumped


def model_from_json(data: Mapping[str, Any]) -> ModelVersion:
    model: ModelVersion = _validated(_MODEL, data, "model version")
    return model


def study_to_json(study: Study) -> dict[str, Any]:
    dumped: dict[str, Any] = _STUDY.dump_python(study, mode="json")
    return dumped


def study_from_json(data: Mapping[str, Any]) -> Study:
    study: Study = _validated(_STUDY, data, "study")
    return study


def series_to_json(series: Series) -> dict[str, Any]:
    dumped: dict[str, Any] = _SERIES.dump_python(series, mode="json")
    return dumped


def series_from_json(data: Mapping[str, Any]) -> Series:
    """A series as the store or a worker wrote it (never from a browser): its list of files may be long."""
    series: Series = _SERIES.validate_python(data)
    return series


def points_from_json(data: Any) -> tuple[Point3D, ...]:
    points: tuple[Point3D, ...] = _validated(_POINTS, data, "list of clicks")
    return points


def box_from_json(data: Any) -> Box3D | None:
    box: Box3D | None = _validated(_BOX, data, "box")
    return box


def mask_from_json(data: Any) -> Mask | None:
    mask: Mask | None = _validated(_MASK, data, "mask")
    return mask


def measurements_to_json(measurements: tuple[Measurement, ...]) -> list[dict[str, Any]]:
    dumped: list[dict[str, Any]] = _MEASUREMENTS.dump_python(measurements, mode="json")
    return dumped


def region_to_json(region: Box3D | Mask | None) -> dict[str, Any] | None:
    dumped: dict[str, Any] | None = _REGION.dump_python(region, mode="json")
    return dumped


def decision_from_json(data: Mapping[str, Any]) -> Decision:
    """A Decision as a client sends it: `value` is validated by its `kind`."""
    fields = dict(data)
    try:
        kind = Kind(fields.get("kind", ""))
    except ValueError:
        raise UserError("This decision does not say what it is about", repr(fields.get("kind"))) from None
    if fields.get("value") is not None:
        fields["value"] = value_from_json(kind, fields["value"])
    decision: Decision = _validated(_DECISION, fields, "decision")
    return decision


def _validated(adapter: TypeAdapter[Any], data: Any, word: str) -> Any:
    _refuse_oversize(data, word)
    try:
        return adapter.validate_python(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(p) for p in first["loc"])
        raise UserError(
            f"This {word} cannot be read: {where or 'it'} is not valid",
            str(first.get("input"))[:80],
            first["msg"],
        ) from None


def _refuse_oversize(data: Any, word: str) -> None:
    """Bound text, list lengths and numbers before any of it is looked at."""
    stack = [data]
    while stack:
        item = stack.pop()
        if isinstance(item, str) and len(item) > TEXT_LIMIT:
            raise UserError(
                f"A text in this {word} is too long", f"{len(item)} characters", f"Keep it under {TEXT_LIMIT}"
            )
        if isinstance(item, float) and (item != item or item in (float("inf"), float("-inf"))):
            raise UserError(f"A number in this {word} is not finite", str(item), "Send a finite number")
        if isinstance(item, list | tuple | dict) and len(item) > LIST_LIMIT:
            raise UserError(f"A list in this {word} is too long", f"{len(item)} items", f"Keep it under {LIST_LIMIT}")
        if isinstance(item, dict):
            stack.extend(item.values())
        elif isinstance(item, list | tuple):
            stack.extend(item)

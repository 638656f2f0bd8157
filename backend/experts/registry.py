"""Which experts there are, and whether one may run on a series. Importing this loads no expert."""

from importlib import import_module
from importlib.metadata import entry_points

from backend.domain.errors import UserError
from backend.domain.study import Series
from backend.experts.card import Card, Expert

BUILT_IN = {
    "CT_ANATOMY": "backend.experts.ct_anatomy",
    "CT_SPOTS": "backend.experts.ct_spots",
    "CXR_LUNGS": "backend.experts.cxr_lungs",
    "PROMPT": "backend.experts.prompt",
}
GROUP = "overread.experts"  # third parties add theirs here: name = "module"


def names() -> tuple[str, ...]:
    """Built-in experts first, then installed ones by name."""
    found = sorted(point.name for point in entry_points(group=GROUP))
    return (*BUILT_IN, *(name for name in found if name not in BUILT_IN))


def expert(name: str) -> Expert:
    """The expert of this name; UserError when there is none."""
    modules = {point.name: point.value for point in entry_points(group=GROUP)} | BUILT_IN
    if name not in modules:
        raise UserError("There is no such expert", name, f"Choose one of {', '.join(names())}")
    loaded: Expert = import_module(modules[name]).EXPERT
    return loaded


def cards() -> tuple[Card, ...]:
    return tuple(expert(name).card for name in names())


def refusal(card: Card, series: Series) -> str:
    """Why this expert may not run on this series, in a sentence; "" when it may. The modality gate comes first."""
    if card.modalities and series.modality not in card.modalities:
        reads = " or ".join(filter(None, card.modalities))
        return f"{card.name} reads {reads}; this series is {series.modality or 'of unknown modality'}"
    if card.body_parts and series.body_part and series.body_part.upper() not in card.body_parts:
        return f"{card.name} reads {' or '.join(card.body_parts).lower()}; this series shows {series.body_part.lower()}"
    return ""


def admit(card: Card, series: Series) -> None:
    """UserError when the expert may not run on this series."""
    reason = refusal(card, series)
    if reason:
        raise UserError(f"{card.name} may not run on this series", reason, "Choose another expert or another series")

"""What models propose and what readers decide."""

from dataclasses import dataclass
from enum import StrEnum

from backend.domain.region import Mask, Point3D, Region


class Act(StrEnum):
    ACCEPT = "ACCEPT"
    EDIT = "EDIT"
    REJECT = "REJECT"
    ADD = "ADD"
    RETRACT = "RETRACT"  # back to undecided (or gone, for what the reader had added)
    UNSURE = "UNSURE"


class Reason(StrEnum):
    """Why a reader rejected or edited."""

    NOT_PRESENT = "not present"
    WRONG_PLACE = "wrong place"
    WRONG_SIDE = "wrong side"
    WRONG_EXTENT = "wrong extent"
    WRONG_SEVERITY = "wrong severity"
    NEEDS_PRIOR = "needs prior"
    WORDING = "wording"
    MISSED = "missed"


class Kind(StrEnum):
    """What a proposal or decision is about. SPOT is navigation only and is never decided."""

    FINDING = "finding"
    SENTENCE = "sentence"
    SPOT = "spot"


@dataclass(frozen=True)
class Code:
    """A coded meaning; scheme "" when the vocabulary holds none for it (codes are never invented)."""

    meaning: str
    scheme: str = ""
    value: str = ""


@dataclass(frozen=True)
class Measurement:
    """A number with its unit ("mL", "mm", "HU", "px", "1")."""

    name: str
    value: float
    unit: str


@dataclass(frozen=True)
class Finding:
    """Something present in (or, `present` False, looked for and absent from) a series.

    site: side and zone in words, e.g. "right upper zone"; "" when unknown.
    certainty: 0-1, or None when the source gives none.
    """

    series_uid: str
    code: Code
    regions: tuple[Region, ...] = ()
    present: bool = True
    site: str = ""
    certainty: float | None = None
    measurements: tuple[Measurement, ...] = ()
    prompts: tuple[Point3D, ...] = ()  # clicks that made the mask, when a reader segmented it

    @property
    def masks(self) -> tuple[Mask, ...]:
        return tuple(r for r in self.regions if isinstance(r, Mask))


@dataclass(frozen=True)
class Sentence:
    """One report sentence, grounded through the ids of its findings."""

    section: str
    position: float
    text: str
    finding_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Spot:
    """A place worth a look; score 0-1 orders the list and is not a probability."""

    series_uid: str
    point: Point3D
    diameter_mm: float
    score: float


Value = Finding | Sentence | Spot


@dataclass(frozen=True)
class ModelVersion:
    """Who proposed: expert name, its version, sha256 over weights and settings, licence."""

    name: str
    version: str
    fingerprint: str
    licence: str


@dataclass(frozen=True)
class Proposal:
    """What a model said about a subject; never changed. audience: the reader it was composed for, "" for all."""

    subject: str
    kind: Kind
    study_uid: str
    value: Value
    model: ModelVersion
    audience: str = ""
    seq: int = 0  # given by the store
    created: str = ""  # UTC, ISO 8601, given by the store


@dataclass(frozen=True)
class Decision:
    """What a reader said. `value` is the whole new value (None for RETRACT); undo is another decision.

    after_seq: seq of this reader's last decision on the subject, as seen; 0 for none. A stale one is refused.
    token: made by the client, so that a resent decision is recognised. app_version: of the recording program.
    """

    subject: str
    kind: Kind
    study_uid: str
    reader: str
    act: Act
    value: Value | None
    reason: Reason | None = None
    note: str = ""
    seconds: float = 0.0
    after_seq: int = 0
    token: str = ""
    app_version: str = ""
    seq: int = 0
    created: str = ""


@dataclass(frozen=True)
class Subject:
    """What stands on a reader's screen: the newest proposal, this reader's last decision, and the value that counts."""

    id: str
    kind: Kind
    study_uid: str
    proposal: Proposal | None
    decision: Decision | None
    seen: bool = False

    @property
    def value(self) -> Value | None:
        """The decided value; else the proposed one; None when an added subject was retracted."""
        if self.decision is not None and self.decision.act is not Act.RETRACT:
            return self.decision.value
        return self.proposal.value if self.proposal is not None else None

    @property
    def state(self) -> Act | None:
        """The last act that still stands; None while undecided."""
        if self.decision is None or self.decision.act is Act.RETRACT:
            return None
        return self.decision.act

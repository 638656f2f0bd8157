"""What a reader's last word teaches."""

from dataclasses import dataclass

from backend.domain.review import Act, Kind, ModelVersion, Reason, Value


@dataclass(frozen=True)
class Correction:
    """One reader's last decision on one subject beside the proposal that stood when it was made: a training pair.

    proposed, model: None for what the reader added. value: the decided value; for REJECT, the value refused.
    series_uid, pixels_sha256: of the image, "" for a sentence. seconds: as the decision gives them. created: UTC.
    """

    subject: str
    kind: Kind
    study_uid: str
    series_uid: str
    pixels_sha256: str
    proposed: Value | None
    model: ModelVersion | None
    act: Act
    reason: Reason | None
    value: Value
    reader: str
    seconds: float
    created: str
    app_version: str

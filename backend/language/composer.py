"""The report that follows from findings: sentences with measurements, each linked to the findings it speaks of.

It never diagnoses. It claims an absence only where an expert that can exclude the finding has run, or the reader says
so.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from backend.domain.review import Act, Finding, Kind, ModelVersion, Proposal, Sentence, Subject
from backend.domain.study import Series
from backend.language import wording
from backend.language.wording import is_anatomy, listed, lower_first, name, side_of, upper_first

TECHNIQUE, FINDINGS, IMPRESSION = "Technique", "Findings", "Impression"
_START = {TECHNIQUE: 0.0, FINDINGS: 1e3, IMPRESSION: 1e6}  # positions; a section's sentences follow its start
_ABSENCES = 1e5  # after the findings, in their section
_IMPRESSION_LIMIT = 10
CONFIRMED = (Act.ACCEPT, Act.EDIT, Act.ADD)

VERSION = "1"
_SETTINGS = repr((VERSION, wording.ANATOMY, wording.MODALITIES))
COMPOSER = ModelVersion("composer", VERSION, hashlib.sha256(_SETTINGS.encode()).hexdigest(), "Apache-2.0")


@dataclass(frozen=True)
class ExpertRun:
    """An expert that finished on a series. excludes: what its card lets the run state the absence of."""

    name: str
    excludes: tuple[str, ...]
    series_uid: str


def compose(
    study_uid: str, series: Sequence[Series], subjects: Sequence[Subject], reader: str, ran: Sequence[ExpertRun]
) -> list[Proposal]:
    """Sentences that the findings call for and that do not stand yet, for this reader.

    series and subjects: of one study, in the order in which the store gives them. A sentence that the reader decided
    on is left alone (see `outdated`); one whose findings are gone is not taken back here (see `withdrawn`).
    """
    known = {s.id: s for s in subjects}
    by_uid = {s.series_uid: s for s in series}
    drafts = {
        **{f"sentence:technique:{s.series_uid}": _technique(n, s) for n, s in enumerate(series)},
        **dict(_findings(by_uid, subjects, ran)),
        **dict(_absences(subjects, ran)),
        **dict(_impression(study_uid, by_uid, subjects)),
    }
    return [
        Proposal(subject, Kind.SENTENCE, study_uid, sentence, COMPOSER, audience=reader)
        for subject, sentence in drafts.items()
        if _is_news(known.get(subject), sentence)
    ]


def withdrawn(subjects: Sequence[Subject]) -> set[str]:
    """Ids of undecided sentences that nothing calls for any more: their findings are rejected, retracted or renamed."""
    standing = {s.id for s, _ in _standing(subjects)}
    called_for = {_sentence_id(s, f) for s, f in _standing(subjects)}
    confirmed = {s.id for s, _ in _confirmed(subjects)}
    spoken_of = _spoken_of(subjects)

    def is_gone(subject: Subject, sentence: Sentence) -> bool:
        linked = set(sentence.finding_ids)
        if subject.proposal is None or subject.proposal.model.name != COMPOSER.name:
            return bool(linked) and not linked & standing
        if sentence.section == IMPRESSION:
            return not linked & confirmed
        return subject.id not in called_for if linked else subject.id in spoken_of

    return {s.id for s in subjects if s.state is None and isinstance(s.value, Sentence) and is_gone(s, s.value)}


def outdated(subjects: Sequence[Subject]) -> dict[str, str]:
    """Decided sentences whose findings changed afterwards: id -> why to look at the sentence again."""
    known = {s.id: s for s in subjects}
    reasons: dict[str, str] = {}
    for subject in subjects:
        sentence = subject.value
        if not isinstance(sentence, Sentence) or subject.state in (None, Act.REJECT) or subject.decision is None:
            continue
        since = subject.decision.seq
        linked = [known[i] for i in sentence.finding_ids if i in known]
        found = [reason for one in linked if (reason := _changed(one, since))]
        found += _contradicted(subject, subjects, since)
        if found:
            reasons[subject.id] = found[0]
    return reasons


def _changed(finding: Subject, since: int) -> str:
    """What the reader did to a finding after decision `since`, when it changes what a sentence may say."""
    decision = finding.decision
    if decision is None or decision.seq <= since:
        return ""
    if decision.act is Act.RETRACT and finding.proposal is None:
        return "A finding it describes was removed afterwards."
    words = {
        Act.EDIT: "was edited",
        Act.REJECT: "was rejected",
        Act.UNSURE: "was marked unsure",
        Act.RETRACT: "was set back to undecided",
        Act.ADD: "was added again",
    }
    return f"A finding it describes {words[decision.act]} afterwards." if decision.act in words else ""


def _contradicted(sentence: Subject, subjects: Sequence[Subject], since: int) -> Iterator[str]:
    """A finding decided later that an absence denies, or that an impression leaves out."""
    value = sentence.value
    assert isinstance(value, Sentence)
    for subject, finding in _confirmed(subjects):
        if subject.decision is None or subject.decision.seq <= since or not finding.present:
            continue
        if sentence.id == _absence_id(finding.series_uid, finding.code.meaning):
            yield "A finding that it says is absent was confirmed afterwards."
        if value.section == IMPRESSION and subject.id not in value.finding_ids and not is_anatomy(finding):
            yield "A finding was confirmed afterwards that it leaves out."


def _is_news(subject: Subject | None, sentence: Sentence) -> bool:
    if subject is None or subject.proposal is None:
        return True
    return subject.state is None and subject.proposal.value != sentence


def _technique(number: int, series: Series) -> Sentence:
    return Sentence(TECHNIQUE, _START[TECHNIQUE] + number, wording.technique(series))


def _standing(subjects: Sequence[Subject]) -> Iterator[tuple[Subject, Finding]]:
    """Findings proposed, accepted, edited, added or unsure; not those rejected or retracted."""
    for subject in subjects:
        if isinstance(subject.value, Finding) and subject.state is not Act.REJECT:
            yield subject, subject.value


def _confirmed(subjects: Sequence[Subject]) -> Iterator[tuple[Subject, Finding]]:
    return ((s, f) for s, f in _standing(subjects) if s.state in CONFIRMED)


def _sentence_id(subject: Subject, finding: Finding) -> str:
    """Right and left of one structure, found by one model, share a sentence; any other finding has its own."""
    if subject.proposal is not None and finding.present and is_anatomy(finding) and side_of(finding):
        structure = _key(wording.without_side(finding.code.meaning))
        return f"sentence:{subject.proposal.model.name}:{finding.series_uid}:{structure}"
    return f"sentence:{subject.id}"


def _findings(
    series: Mapping[str, Series], subjects: Sequence[Subject], ran: Sequence[ExpertRun]
) -> Iterator[tuple[str, Sentence]]:
    order = {s.id: n for n, s in enumerate(s for s in subjects if s.kind is Kind.FINDING)}
    known = {s.id for s in subjects}
    groups: dict[str, list[tuple[Subject, Finding]]] = {}
    for subject, finding in _standing(subjects):
        groups.setdefault(_sentence_id(subject, finding), []).append((subject, finding))
    for sentence_id, members in groups.items():
        members.sort(key=lambda m: (wording.SIDES.index(side_of(m[1])) if side_of(m[1]) else 0, order[m[0].id]))
        text = _text(series, members, ran, spoken=sentence_id in known)
        if text:
            position = _START[FINDINGS] + min(order[s.id] for s, _ in members)
            yield sentence_id, Sentence(FINDINGS, position, text, tuple(s.id for s, _ in members))


def _text(
    series: Mapping[str, Series], members: Sequence[tuple[Subject, Finding]], ran: Sequence[ExpertRun], spoken: bool
) -> str:
    """The sentence for one finding or for both sides of a structure; "" when nothing may be said."""
    subject, finding = members[0]
    if not finding.present:
        return _absent_text(subject, finding, ran, spoken)
    figures = [_figures(series, f) for _, f in members]
    unsure = any(s.state is Act.UNSURE for s, _ in members)
    if len(members) > 1 and not any(figures):
        text = upper_first(f"{' and '.join(side_of(f) for _, f in members)} {_structure(finding)} outlined")
    elif len(members) > 1:
        said = "; ".join(f"{side_of(f)} {listed(g)}".rstrip() for (_, f), g in zip(members, figures, strict=True))
        text = f"{upper_first(_structure(finding))}: {said}"
    elif is_anatomy(finding):
        text = f"{name(finding)}: {listed(figures[0]) or 'outlined'}"
    else:
        text = listed([name(finding), *figures[0]])
    return f"Possible {lower_first(text)}." if unsure else f"{text}."


def _structure(finding: Finding) -> str:
    return lower_first(wording.without_side(finding.code.meaning))


def _absent_text(subject: Subject, finding: Finding, ran: Sequence[ExpertRun], spoken: bool) -> str:
    what = lower_first(name(finding))
    if subject.state in CONFIRMED:
        return f"No {what}."
    meaning = finding.code.meaning.lower()
    for run in ran:
        if run.series_uid == finding.series_uid and meaning in (m.lower() for m in run.excludes):
            return f"No {what} identified by {run.name}."
    return f"{upper_first(what)}: absence not established." if spoken else ""


def _figures(series: Mapping[str, Series], finding: Finding) -> list[str]:
    image = series.get(finding.series_uid)
    return wording.measured(finding, image.geometry if image is not None else None)


def _absences(subjects: Sequence[Subject], ran: Sequence[ExpertRun]) -> Iterator[tuple[str, Sentence]]:
    """What experts looked for and did not report. A finding that a reader rejected is not thereby absent."""
    spoken_of = _spoken_of(subjects)
    stated = [(run, meaning) for run in ran for meaning in run.excludes]
    for number, (run, meaning) in enumerate(stated):
        sentence_id = _absence_id(run.series_uid, meaning)
        if sentence_id not in spoken_of:
            spoken_of.add(sentence_id)
            text = f"No {lower_first(meaning)} identified by {run.name}."
            yield sentence_id, Sentence(FINDINGS, _START[FINDINGS] + _ABSENCES + number, text)


def _spoken_of(subjects: Sequence[Subject]) -> set[str]:
    """Ids of the absences that cannot be stated, because a model or the reader has spoken of such a finding."""
    return {
        _absence_id(value.series_uid, value.code.meaning)
        for subject in subjects
        for value in (subject.value, subject.proposal.value if subject.proposal else None)
        if isinstance(value, Finding)
    }


def _impression(
    study_uid: str, series: Mapping[str, Series], subjects: Sequence[Subject]
) -> Iterator[tuple[str, Sentence]]:
    """What the reader confirmed, listed; normal anatomy is left out."""
    told = [(s, f) for s, f in _confirmed(subjects) if f.present and not is_anatomy(f)]
    if not told:
        return
    phrases = [lower_first(listed([name(f), *_figures(series, f)[:1]])) for _, f in told]
    more = len(phrases) - _IMPRESSION_LIMIT
    shown = phrases[:_IMPRESSION_LIMIT] + ([f"{more} more"] if more > 0 else [])
    text = f"Confirmed by the reader: {'; '.join(shown)}."
    yield (
        f"sentence:impression:{study_uid}",
        Sentence(IMPRESSION, _START[IMPRESSION], text, tuple(s.id for s, _ in told)),
    )


def _absence_id(series_uid: str, meaning: str) -> str:
    return f"sentence:absent:{series_uid}:{_key(meaning)}"


def _key(meaning: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", meaning.lower()).strip("-")[:80]

"""The use cases of one reader. No Gradio, no HTTP: the page, the command line and tests all come through here."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version

from backend.domain.errors import UserError
from backend.domain.job import Job, JobKind, JobState
from backend.domain.region import Mask
from backend.domain.review import Act, Decision, Finding, Subject
from backend.domain.study import Series, Study
from backend.experts import registry
from backend.experts.card import Card
from backend.imaging.mask import mask_path
from backend.language import composer
from db.store import Compose, StudySummary
from ui.library import Library

DEFAULT_READER = "reader"


@dataclass(frozen=True)
class Offer:
    """An expert as it stands to one series: allowed, or refused with the reason."""

    card: Card
    series_uid: str
    refusal: str


@dataclass(frozen=True)
class OpenStudy:
    """All that a page needs to show one study to one reader."""

    study: Study
    series: tuple[Series, ...]
    subjects: tuple[Subject, ...]
    warnings: dict[str, str]  # subject id -> why the reader should look at it again
    offers: tuple[Offer, ...]
    jobs: tuple[Job, ...]


class Session:
    """One reader at one library. A reader is a name; the store keeps a chain of decisions for each."""

    def __init__(self, library: Library, reader: str) -> None:
        self._library, self._store, self.reader = library, library.store, reader

    def worklist(self) -> Sequence[StudySummary]:
        return self._store.studies(self.reader)

    def open(self, study_uid: str) -> OpenStudy:
        """The study as this reader left it, its report drafted from what stands now."""
        study = self._store.study(study_uid)
        series = self._store.series_of(study_uid)
        self._store.opened(study_uid, self.reader)
        subjects = self.subjects(study_uid)
        offers = tuple(
            Offer(card, one.series_uid, registry.refusal(card, one))
            for one in series
            for card in registry.cards()
            if not card.interactive
        )
        jobs = tuple(self._store.jobs(study_uid))
        return OpenStudy(study, tuple(series), tuple(subjects), composer.outdated(subjects), offers, jobs)

    def subjects(self, study_uid: str) -> list[Subject]:
        """What stands; sentences that the findings call for are composed first, withdrawn ones left out."""
        drafted = self._composer(study_uid)(self._store.subjects(study_uid, self.reader))
        if drafted:
            self._store.add_proposals(drafted)
        return self._standing(study_uid)

    def decide(self, decision: Decision) -> list[Subject]:
        """Record it, and the sentences that follow, in one transaction; the answer is what stands afterwards.

        StaleDecision when this reader decided elsewhere since; UserError when it does not fit the study.
        """
        mine = replace(decision, reader=self.reader, app_version=version("overread"))
        if isinstance(mine.value, Finding):
            self._check(mine.value)
        self._store.decide(mine, self._composer(mine.study_uid))
        return self._standing(mine.study_uid)

    def _standing(self, study_uid: str) -> list[Subject]:
        subjects = self._store.subjects(study_uid, self.reader)
        withdrawn = composer.withdrawn(subjects)
        return [subject for subject in subjects if subject.id not in withdrawn]

    def seen(self, study_uid: str, subjects: Sequence[str]) -> None:
        self._store.mark_seen(study_uid, self.reader, subjects)

    def lungs(self, series: Series) -> dict[str, Mask]:
        """The lung masks that stand on a series, as "right_lung" and "left_lung": they give others their zone."""
        found: dict[str, Mask] = {}
        for subject in self._store.subjects(series.study_uid, self.reader):
            finding = subject.value
            if isinstance(finding, Finding) and finding.series_uid == series.series_uid and finding.masks:
                for side in ("right", "left"):
                    if finding.code.meaning.lower().endswith(f"{side} lung") and subject.state is not Act.REJECT:
                        found[f"{side}_lung"] = finding.masks[0]
        return found

    def _composer(self, study_uid: str) -> Compose:
        series = self._store.series_of(study_uid)
        ran = [
            composer.ExpertRun(job.expert, registry.expert(job.expert).card.excludes, job.series_uid)
            for job in self._store.jobs(study_uid)
            if job.kind is JobKind.PROPOSE and job.state is JobState.DONE and job.expert in registry.names()
        ]
        return partial(composer.compose, study_uid, series, reader=self.reader, ran=ran)

    def _check(self, finding: Finding) -> None:
        """What a finding points at exists: inside the image, and in the library."""
        shape = self._store.series(finding.series_uid).geometry.shape
        for region in finding.regions:
            box = region.box if isinstance(region, Mask) else region
            if not box.within(shape):
                raise UserError("A region reaches outside the image", str(box), "Draw it inside the image")
        for mask in finding.masks:
            if not mask_path(self._library.masks, mask.sha256).exists():
                raise UserError("The mask of this finding is not in the library", mask.sha256[:12], "Segment it again")

"""What each command of `overread` does: arguments in, an `Outcome` out. Heavy packages load inside the functions."""

import argparse
import json
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from backend.domain import wire
from backend.domain.errors import UserError
from backend.domain.job import Job, JobState
from backend.domain.review import Finding, Measurement, Spot
from backend.domain.study import Series
from backend.engine import Worker
from backend.experts.card import Progress
from ui.jobs import attempt, propose_job
from ui.library import Library, Refused
from ui.progress import bar
from ui.session import DEFAULT_READER

Json = Any


@dataclass(frozen=True)
class Outcome:
    """document: for --json, None when it was printed already; text: for people; status: the exit status."""

    document: Json
    text: str
    status: int = 0


def serve(given: argparse.Namespace) -> Outcome:
    from ui.serve import serve as run

    def announce(address: str, folder: Path) -> None:
        said = f"Overread is at {address} (data in {folder}). Stop it with Ctrl+C."
        print(json.dumps({"address": address, "data": str(folder)}) if given.json else said, flush=True)

    run(given.data, given.host, given.port, given.demo, given.reset, announce)
    return Outcome(None, "")


def read_in(given: argparse.Namespace) -> Outcome:
    library = Library(given.data)
    series: list[Json] = []
    refused: list[Refused] = []

    def on_item(item: Mapping[str, Any]) -> None:
        said = library.take(item)
        if said is not None:
            refused.append(said)
        else:
            series.append(_series_line(wire.series_from_json(item["series"])) | {"new": item["new"]})

    with bar("importing") as progress, closing(Worker()) as worker:

        def on_event(event: Mapping[str, Any]) -> None:
            if event["event"] == "progress":
                progress(event["fraction"], event["step"])
            else:
                on_item(event)

        worker.run("import", library.import_arguments([path.absolute() for path in given.paths]), on_event)
    new = sum(one["new"] for one in series)
    lines = [f"{_size(one['shape'])} {one['modality']} {one['description']}  {one['series_uid']}" for one in series]
    lines += [f"refused {one.path}: {UserError(one.what, one.found, one.next)}" for one in refused]
    lines.append(f"{new} series imported, {len(series) - new} already there, {len(refused)} files refused.")
    document = {"imported": series, "refused": [asdict(one) for one in refused]}
    return Outcome(document, "\n".join(lines), 0 if series else 1)


def studies(given: argparse.Namespace) -> Outcome:
    library = Library(given.data)
    listed, lines = [], []
    for summary in library.store.studies(DEFAULT_READER):
        series = library.store.series_of(summary.study.study_uid)
        counts = {"proposals": summary.proposals, "decided": summary.decided}
        described = wire.study_to_json(summary.study) | counts
        listed.append(described | {"series": [_series_line(one) for one in series]})
        lines.append(f"{summary.study.pseudonym}  {summary.study.description}")
        lines += [f"    {one.modality:3} {_size(one.geometry.shape):14} {one.series_uid}" for one in series]
    return Outcome({"studies": listed}, "\n".join(lines) or "No studies yet: overread import PATH")


def inspect(given: argparse.Namespace) -> Outcome:
    from backend.imaging.inspect import inspect as look

    looked = [look(path).to_json() for path in given.paths]
    lines = []
    for one in looked:
        for series in one["series"]:
            range_ = f"{series['min']:g} to {series['max']:g}"
            lines.append(f"{one['path']}: {series['modality']} {_size(series['shape'])} {series['dtype']} {range_}")
            lines += [f"    note: {warning}" for warning in series["warnings"]]
        if one["error"]:
            lines.append(f"{one['path']}: {UserError(**one['error'])}")
    return Outcome(looked, "\n".join(lines), 0 if all(one["ok"] for one in looked) else 1)


def propose(given: argparse.Namespace) -> Outcome:
    library = Library(given.data)
    series = library.store.series(given.series_uid)
    added = library.store.add_job(propose_job(series, given.expert))
    with bar(given.expert.lower()) as progress:
        job = _done(library, added, progress)
    if job.state is not JobState.DONE:
        raise UserError(f"The job was {job.state}", job.error, "Run it again")
    found = [
        subject.proposal
        for subject in library.store.subjects(series.study_uid, DEFAULT_READER)
        if subject.proposal is not None and subject.proposal.model.name == given.expert
    ]
    findings = [p for p in found if isinstance(p.value, Finding) and p.value.series_uid == series.series_uid]
    spots = [p for p in found if isinstance(p.value, Spot) and p.value.series_uid == series.series_uid]
    document = {
        "series_uid": series.series_uid,
        "expert": given.expert,
        "findings": [{"subject": p.subject} | wire.value_to_json(p.value) for p in findings],
        "spots": [{"subject": p.subject} | wire.value_to_json(p.value) for p in spots],
        "notes": list(job.notes),
    }
    lines = [f"{given.expert}: {len(findings)} findings and {len(spots)} spots proposed; nothing is decided yet."]
    for proposal in findings:
        assert isinstance(proposal.value, Finding)
        lines.append(f"    {proposal.value.code.meaning}: {_said(proposal.value.measurements)}")
    return Outcome(document, "\n".join([*lines, *(f"note: {note}" for note in job.notes)]))


def _done(library: Library, job: Job, progress: Progress) -> Job:
    """Run the job here, or wait for the server that took it first."""
    claimed = library.store.claim_job(job.id)
    if claimed is not None:
        with closing(Worker()) as worker:
            return attempt(library, worker, claimed, lambda event: progress(event["fraction"], event["step"]))
    while not (job := library.store.job(job.id)).state.is_final:
        progress(job.progress, job.step)
        time.sleep(0.2)
    return job


def segment(given: argparse.Namespace) -> Outcome:
    from backend.experts import registry
    from backend.experts.card import Draft, Prompt
    from backend.export.nifti import nifti_original, save_mask
    from backend.imaging.scan import Refusal, read_series
    from backend.measure.region import measure_mask

    if not given.out.name.endswith((".nii", ".nii.gz")):
        raise UserError("The mask is written as NIfTI", given.out.name, "Give a name that ends in .nii.gz")
    with bar("reading") as progress:
        read = list(read_series([given.file], progress))
    for refusal in read:
        if isinstance(refusal, Refusal):
            raise refusal.error
    images = [one for one in read if not isinstance(one, Refusal)]
    if len(images) != 1:
        raise UserError("One image is segmented at a time", f"{len(images)} series in {given.file}", "Give one file")
    if given.out.resolve() in {Path(source.path).resolve() for source in images[0].sources}:
        raise UserError("The mask would overwrite the image", str(given.out), "Give another name with --out")
    volume = images[0].volume
    asked = Prompt(tuple(given.point), given.box)
    with bar("segmenting") as progress:
        drafted = next(iter(registry.expert("PROMPT").propose(volume, asked, progress)))
    assert isinstance(drafted, Draft)
    assert drafted.mask is not None
    given.out.parent.mkdir(parents=True, exist_ok=True)
    save_mask(given.out, drafted.mask, volume.geometry, like=nifti_original([given.file]))
    measured = measure_mask(drafted.mask, volume)
    voxels = int(drafted.mask.sum())
    document = {"out": str(given.out), "shape": list(volume.geometry.shape), "voxels": voxels}
    document["measurements"] = wire.measurements_to_json(measured)
    return Outcome(document, f"{given.out}: {voxels} voxels; {_said(measured)}. For research, not a medical device.")


def export(given: argparse.Namespace) -> Outcome:
    library = Library(given.data)
    given.out.mkdir(parents=True, exist_ok=True)
    files = FORMATS[given.format](library, given.out, given.reader)
    document = {"format": given.format, "files": [str(path) for path in files]}
    return Outcome(document, "\n".join([*map(str, files), f"{len(files)} files written."]))


def models(given: argparse.Namespace) -> Outcome:
    from backend.experts import registry

    cards = registry.cards()
    lines = []
    for card in cards:
        gate = ", ".join(card.modalities) or "any image"
        lines.append(
            f"{card.name} {card.version}: {card.title}. Reads {gate}; about {card.memory_mb} MB; {card.licence}."
        )
        lines.append(f"    {card.task}")
        lines += [f"    {a.metric} {a.value:.3g} ({a.spread}, n = {a.n}) on {a.data}" for a in card.accuracy]
    return Outcome({"models": [asdict(card) for card in cards]}, "\n".join(lines))


def doctor(given: argparse.Namespace) -> Outcome:
    from backend.doctor import Verdict, examine

    checks = list(examine(given.data))
    lines = [f"{c.verdict:4}  {c.what}: {c.found}" + (f". {c.remedy}." if c.remedy else "") for c in checks]
    failed = any(check.verdict is Verdict.FAIL for check in checks)
    return Outcome({"checks": [asdict(check) for check in checks]}, "\n".join(lines), 1 if failed else 0)


def backup(given: argparse.Namespace) -> Outcome:
    from ui.safekeeping import back_up

    library = Library(given.data)
    masks = back_up(library, given.file)
    size = given.file.stat().st_size
    document = {"file": str(given.file), "bytes": size, "masks": masks}
    said = f"{given.file}: {size / 1e6:.1f} MB, {masks} masks. Voxels are read again from the originals."
    if library.uploads.exists():
        said += f" Files that came through the browser are originals too: keep {library.uploads} as well."
    return Outcome(document, said)


def restore(given: argparse.Namespace) -> Outcome:
    from ui.safekeeping import bring_back

    masks = bring_back(given.file, given.data)
    document = {"data": str(given.data), "masks": masks}
    return Outcome(document, f"{given.data}: restored with {masks} masks. Import the originals again for their voxels.")


def _export_nifti(library: Library, out: Path, reader: str) -> list[Path]:
    from ui.exporting import export_masks

    return export_masks(library, out, reader)


def _export_jsonl(library: Library, out: Path, reader: str) -> list[Path]:
    from ui.exporting import export_corrections

    return export_corrections(library, out, reader)


FORMATS: dict[str, Callable[[Library, Path, str], list[Path]]] = {"nifti": _export_nifti, "jsonl": _export_jsonl}


def _said(measurements: Iterable[Measurement]) -> str:
    return ", ".join(f"{m.name} {m.value:.3g} {m.unit}" for m in measurements)


def _series_line(series: Series) -> dict[str, Any]:
    return {
        "series_uid": series.series_uid,
        "study_uid": series.study_uid,
        "modality": series.modality,
        "description": series.description,
        "shape": list(series.geometry.shape),
        "warnings": list(series.warnings),
    }


def _size(shape: tuple[int, ...] | list[int]) -> str:
    """Columns x rows x slices, as scanners say it."""
    k, j, i = shape[:3]
    return f"{i} x {j}" + (f" x {k}" if k > 1 else "")

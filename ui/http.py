"""The web process: FastAPI around the Gradio page. Loads neither torch nor an image decoder."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote

import gradio as gr
from fastapi import APIRouter, Body, FastAPI, Header, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.types import ASGIApp

from backend.domain import wire
from backend.domain.errors import UserError
from backend.domain.job import Job, JobKind
from backend.domain.review import Subject
from backend.domain.study import Series
from backend.export import jsonl
from backend.imaging.cache import open_cache
from backend.imaging.mask import mask_path
from backend.imaging.thumbnail import thumbnail
from backend.language import composer
from db.store import StaleDecision, StudySummary
from ui.app import build, look
from ui.guard import Guard
from ui.jobs import JobRunner, propose_job
from ui.library import Library
from ui.session import DEFAULT_READER, Offer, OpenStudy, Session
from ui.uploads import batch_folder, receive

HERE = Path(__file__).parent
Reader = Annotated[str, Header(alias="X-Overread-Reader", min_length=1, max_length=600)]  # percent-encoded
Json = dict[str, Any]
RECENT_JOBS = 50


def make_app(library: Library, runner: JobRunner, hosts: frozenset[str]) -> ASGIApp:
    """The whole application. hosts: the names the browser may call it by."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        runner.start()
        yield
        runner.close()

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    app.include_router(review_routes(library, runner), prefix="/api")
    app.include_router(work_routes(library, runner), prefix="/api")
    app.include_router(pixel_routes(library), prefix="/api")
    app.add_exception_handler(UserError, _refused)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.mount("/static/viewer", StaticFiles(directory=HERE / "viewer"))
    app.mount("/static/pages", StaticFiles(directory=HERE / "pages"))
    gr.mount_gradio_app(
        app,
        build(),
        path="/",
        run_history=False,
        footer_links=[],
        enable_monitoring=False,
        ssr_mode=False,
        mcp_server=False,
        pwa=False,
        show_error=False,
        max_file_size="1kb",
        allowed_paths=[],
        **look(),
    )
    return Guard(app, hosts)


def review_routes(library: Library, runner: JobRunner) -> APIRouter:
    """Worklist, studies and decisions."""
    routes = APIRouter()

    @routes.get("/worklist")
    def worklist(reader: Reader = DEFAULT_READER) -> Json:
        return {"studies": [summary_json(summary) for summary in Session(library, unquote(reader)).worklist()]}

    @routes.get("/studies/{study_uid}")
    def study(study_uid: str, reader: Reader = DEFAULT_READER) -> JSONResponse:
        runner.warm()
        return JSONResponse(study_json(Session(library, unquote(reader)).open(study_uid)))

    @routes.post("/decisions")
    def decide(body: Annotated[Json, Body()], reader: Reader = DEFAULT_READER) -> JSONResponse:
        session = Session(library, unquote(reader))
        subjects = session.decide(wire.decision_from_json({**body, "reader": session.reader}))
        # A response of its own: FastAPI would walk the whole list once more, at ten times the cost of writing it.
        return JSONResponse({"subjects": subjects_json(subjects, composer.outdated(subjects))})

    @routes.get("/corrections")
    def corrections(reader: str) -> Response:
        """One reader's decisions as a file, as `overread export --format jsonl --reader` writes it."""
        mine = (one for one in library.store.corrections() if one.reader == reader)
        name = {"Content-Disposition": 'attachment; filename="corrections.jsonl"'}
        return Response("".join(jsonl.lines(mine)), media_type="application/jsonl", headers=name)

    @routes.post("/seen")
    def seen(body: Annotated[Json, Body()], reader: Reader = DEFAULT_READER) -> Json:
        subjects = [str(name)[:400] for name in body.get("subjects", [])][:1000]
        Session(library, unquote(reader)).seen(str(body.get("study_uid", "")), subjects)
        return {"seen": len(subjects)}

    return routes


def work_routes(library: Library, runner: JobRunner) -> APIRouter:
    """What workers do: jobs, imports and clicks."""
    routes = APIRouter()

    def lungs(series: Series, reader: str) -> Json:
        found = Session(library, unquote(reader)).lungs(series)
        return {name: wire.region_to_json(mask) for name, mask in found.items()}

    @routes.post("/jobs")
    def add(body: Annotated[Json, Body()]) -> Json:
        series = library.store.series(str(body.get("series_uid", "")))
        return job_json(runner.add(propose_job(series, str(body.get("expert", "")))))

    @routes.get("/jobs")
    def jobs(study_uid: str = "") -> Json:
        return {"jobs": [job_json(job) for job in library.store.jobs(study_uid or None)[-RECENT_JOBS:]]}

    @routes.delete("/jobs/{job_id}")
    def cancel(job_id: int) -> Json:
        runner.cancel(job_id)
        return {"cancelled": job_id}

    @routes.post("/import")
    def read_in(body: Annotated[Json, Body()]) -> Json:
        path = Path(str(body.get("path", "")).strip()).expanduser()
        if not path.is_absolute() or not path.exists():
            raise UserError("There is no such file or folder", str(path), "Give a full path on this machine")
        return job_json(runner.add(Job(JobKind.IMPORT, argument=str(path))))

    @routes.post("/uploads/{batch}")
    async def upload(batch: str, name: str, request: Request) -> Json:
        folder = batch_folder(library.uploads, batch)
        return {"file": (await receive(folder, name, request.stream())).name}

    @routes.post("/uploads/{batch}/import")
    def import_upload(batch: str) -> Json:
        return job_json(runner.add(Job(JobKind.IMPORT, argument=str(batch_folder(library.uploads, batch)))))

    @routes.post("/measure")
    def measure(body: Annotated[Json, Body()], reader: Reader = DEFAULT_READER) -> Json:
        series = library.store.series(str(body.get("series_uid", "")))
        box = wire.region_to_json(wire.box_from_json(body.get("box")))
        return runner.measure(library.worker_arguments(series) | lungs(series, reader) | {"box": box})

    @routes.post("/prompt")
    def prompt(body: Annotated[Json, Body()], reader: Reader = DEFAULT_READER) -> Json:
        series = library.store.series(str(body.get("series_uid", "")))
        asked = {
            "points": [asdict(point) for point in wire.points_from_json(body.get("points", []))],
            "box": wire.region_to_json(wire.box_from_json(body.get("box"))),
            "start": wire.region_to_json(wire.mask_from_json(body.get("start"))),
        }
        return runner.prompt(library.worker_arguments(series) | lungs(series, reader) | asked)

    return routes


def pixel_routes(library: Library) -> APIRouter:
    """Bytes: the voxel cache (with Range) and packed masks, as they lie on the disk."""
    routes = APIRouter()

    @routes.get("/series/{series_uid}/voxels")
    def voxels(series_uid: str) -> FileResponse:
        path = library.voxels / library.store.series(series_uid).cache
        if not path.exists():
            raise UserError("The voxel cache of this series is missing", path.name, "Import the series again")
        return FileResponse(path, media_type="application/octet-stream")

    @routes.get("/series/{series_uid}/thumbnail")
    def small(series_uid: str) -> Response:
        return Response(thumbnail(open_cache(library.voxels, library.store.series(series_uid))), media_type="image/png")

    @routes.get("/masks/{sha256}")
    def mask(sha256: str) -> FileResponse:
        path = mask_path(library.masks, sha256)
        if not path.exists():
            raise UserError("There is no such mask in the library", sha256[:12], "Reload the page")
        return FileResponse(path, media_type="application/octet-stream", headers={"Content-Encoding": "deflate"})

    return routes


def _refused(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, UserError)
    said = {"what": error.what, "found": error.found, "next": error.next}
    return JSONResponse(said, 409 if isinstance(error, StaleDecision) else 400)


def _malformed(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"what": "This request cannot be read", "found": "", "next": "Reload the page"}, 422)


def series_json(series: Series) -> Json:
    """What the viewer draws from; paths and hashes of the originals stay here."""
    whole = wire.series_to_json(series)
    geometry = whole.pop("geometry")
    for private in ("sources", "cache", "pixels_sha256"):
        del whole[private]
    shown = {key: geometry[key] for key in ("shape", "affine", "unit", "unsafe")}
    return whole | shown | {"spacing": series.geometry.spacing}


def subject_json(subject: Subject, warning: str) -> Json:
    proposal, decision = subject.proposal, subject.decision
    return {
        "id": subject.id,
        "kind": subject.kind,
        "state": subject.state,
        "value": wire.value_to_json(subject.value) if subject.value is not None else None,
        "proposed": wire.value_to_json(proposal.value) if proposal is not None else None,
        "model": wire.model_to_json(proposal.model) if proposal is not None else None,
        "after_seq": decision.seq if decision is not None else 0,
        "reason": decision.reason if decision is not None else None,
        "note": decision.note if decision is not None else "",
        "seen": subject.seen,
        "warning": warning,
    }


def subjects_json(subjects: Sequence[Subject], warnings: Mapping[str, str]) -> list[Json]:
    return [subject_json(subject, warnings.get(subject.id, "")) for subject in subjects]


def summary_json(summary: StudySummary) -> Json:
    flat = asdict(summary)
    study: Json = flat.pop("study")
    return study | flat


def offer_json(offer: Offer) -> Json:
    card = asdict(offer.card)
    return card | {"series_uid": offer.series_uid, "allowed": not offer.refusal, "reason": offer.refusal}


def job_json(job: Job) -> Json:
    return asdict(job)


def study_json(opened: OpenStudy) -> Json:
    return {
        "study": wire.study_to_json(opened.study),
        "series": [series_json(series) for series in opened.series],
        "subjects": subjects_json(opened.subjects, opened.warnings),
        "experts": [offer_json(offer) for offer in opened.offers],
        "jobs": [job_json(job) for job in opened.jobs],
    }

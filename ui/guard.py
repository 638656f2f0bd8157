"""What stands between a browser and the application: plain ASGI, so that streamed voxels are not wrapped.

The server answers on loopback names only (a page of another site that makes its name point here is refused), takes
changes only from its own pages, and tells the browser to load nothing from anywhere else.
"""

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}

# gr.HTML compiles its templates in the browser, which needs 'unsafe-inline' and 'unsafe-eval' for scripts; with
# connect-src 'self' nothing that runs can send anything out.
POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "worker-src 'self' blob:",
        "connect-src 'self'",
        "frame-ancestors 'none'",
        "form-action 'self'",
        "base-uri 'self'",
    )
)


class Guard:
    """Wraps the application. hosts: the names a Host header may carry, without port."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str]) -> None:
        self.app, self.hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)
        if refusal:
            answer = JSONResponse({"what": refusal, "found": "", "next": "Open the address the server printed"}, 403)
            await answer(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                out = MutableHeaders(scope=message)
                out["Content-Security-Policy"] = POLICY
                out["X-Content-Type-Options"] = "nosniff"
                out["Referrer-Policy"] = "no-referrer"
                out["Cross-Origin-Opener-Policy"] = "same-origin"
                if scope["path"].startswith("/api/"):
                    out["Cache-Control"] = "no-store"  # no pixel of a patient stays in the browser's disk cache
            await send(message)

        await self.app(scope, receive, guarded)

    def _refusal(self, scope: Scope, headers: Headers) -> str:
        if _name(headers.get("host", "")) not in self.hosts:
            return "This server answers on its own address only"
        origin = headers.get("origin")
        changing = scope["type"] == "websocket" or scope["method"] not in SAFE_METHODS
        if changing and origin is not None and urlsplit(origin).netloc != headers.get("host", ""):
            return "A page of another site may not change anything here"
        if changing and headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return "A page of another site may not change anything here"
        return ""


def _name(host: str) -> str:
    """Host header without its port; an IPv6 address keeps its brackets."""
    return host.rsplit(":", 1)[0] if ":" in host and not host.endswith("]") else host

"""A real Chromium. A page fails its test on any request that leaves the machine and on any JavaScript error."""

import shutil
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request

FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LOOPBACK = {"127.0.0.1", "localhost", ""}


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    return {**browser_type_launch_args, "args": FLAGS, "executable_path": chromium()}


def chromium() -> str | None:
    """The system's Chromium; None for the one that Playwright installed."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    return {
        **browser_context_args,
        "viewport": {"width": 1440, "height": 900},
        "permissions": ["clipboard-read", "clipboard-write"],
    }


@pytest.fixture
def page(page: Page) -> Iterator[Page]:
    """Playwright's page, watched with every other tab that its test opens."""
    faults = watch(page.context)
    page.set_default_timeout(15_000)
    yield page
    assert not faults, "\n".join(faults)


def watch(context: BrowserContext) -> list[str]:
    """What goes wrong in any page of a context from now on: requests to elsewhere, script errors, console errors."""
    faults: list[str] = []

    def on_request(request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname not in LOOPBACK:
            faults.append(f"external request: {request.url}")

    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error" and "ERR_CONNECTION_REFUSED" not in message.text:
            faults.append(f"console error: {message.text} {message.location.get('url', '')}")

    context.on("request", on_request)
    context.on("weberror", lambda error: faults.append(f"JavaScript error: {error.error}"))
    context.on("console", on_console)
    return faults

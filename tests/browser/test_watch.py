"""The watch on every browser test is itself tested: it must see what it is there to see."""

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import watch

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("<img src='http://192.0.2.1/pixel.png'>", "external request"),
        ("<script>null.broken</script>", "JavaScript error"),
        ("<script>console.error('oh')</script>", "console error"),
    ],
)
def test_faults_are_seen(page: Page, content: str, word: str) -> None:
    other = page.context.browser
    assert other is not None
    context = other.new_context()
    faults = watch(context)
    context.new_page().set_content(content, wait_until="commit")
    context.pages[0].wait_for_timeout(300)
    context.close()
    assert any(fault.startswith(word) for fault in faults), faults

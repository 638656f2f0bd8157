"""The Gradio page: constant-template mounts that the modules of ui/pages fill. No state, no events.

Templates are constants because a template that mentions a prop executes what the prop holds.
"""

from pathlib import Path
from typing import Any

import gradio as gr

PAGES = Path(__file__).parent / "pages"
PARTS = ("topbar", "worklist", "viewer", "findings", "report", "status")
BACKGROUND, TEXT = "#0f1216", "#e6e9ee"
START = 'import("/static/pages/main.js").then((page) => page.start());'
STYLES = ("/static/viewer/viewer.css", "/static/pages/page.css")


def build() -> gr.Blocks:
    """The page. Mount it with `gr.mount_gradio_app(app, build(), path="/", **look())`."""
    with gr.Blocks(title="Overread", analytics_enabled=False) as page, gr.Column(elem_id="overread"):
        for part in PARTS:
            gr.HTML(
                value="",
                html_template=template(part),
                js_on_load=START if part == PARTS[-1] else "",
                apply_default_css=False,
                container=False,
                padding=False,
                elem_id=f"or-part-{part}",
            )
    return page


def look() -> dict[str, Any]:
    """Arguments of `gr.mount_gradio_app` for theme and style sheet; no web fonts, dark from the first frame."""
    links = "".join(f'<link rel="stylesheet" href="{url}">' for url in STYLES)
    return {"theme": theme(), "head": f'<meta name="color-scheme" content="dark">{links}'}


def theme() -> gr.themes.Base:
    """System fonts and the reading-room background in both of Gradio's modes."""
    fonts = [gr.themes.Font("system-ui"), gr.themes.Font("sans-serif")]
    base = gr.themes.Base(font=fonts, font_mono=[gr.themes.Font("ui-monospace"), gr.themes.Font("monospace")])
    return base.set(
        body_background_fill=BACKGROUND,
        body_background_fill_dark=BACKGROUND,
        body_text_color=TEXT,
        body_text_color_dark=TEXT,
    )


def template(part: str) -> str:
    """The HTML of a part; ValueError if it is not constant."""
    text = (PAGES / f"{part}.html").read_text("utf-8")
    if "${" in text or "{{" in text or "@children" in text:
        raise ValueError(f"{part}.html mentions a prop, which Gradio would execute")
    return text

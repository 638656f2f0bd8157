"""Progress bars on stderr, shown once a step has taken a second."""

from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

from backend.experts.card import Progress


@contextmanager
def bar(word: str) -> Iterator[Progress]:
    """Yields what moves the bar: a function of a fraction 0-1 and a word for the step."""
    with tqdm(
        total=100, desc=word, delay=1.0, leave=False, bar_format="{desc} {bar} {percentage:3.0f}% {elapsed}"
    ) as shown:

        def move(fraction: float, step: str) -> None:
            shown.set_description_str(f"{word}: {step}" if step else word, refresh=False)
            shown.n = round(fraction * 100)
            shown.refresh()

        yield move

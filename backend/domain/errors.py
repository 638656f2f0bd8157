"""The one error meant for people."""


class UserError(Exception):
    """What happened, the value found, and what to do next: each a clause or sentence in plain words.

    Raised for bad input and unmet assumptions, shown as it is in the browser, on the command line and in JSON.
    Any other exception is a bug and is left to rise.
    """

    def __init__(self, what: str, found: str = "", next: str = "") -> None:
        self.what, self.found, self.next = what.rstrip("."), found.rstrip("."), next.rstrip(".")
        parts = [self.what, f"found: {self.found}" if self.found else "", self.next]
        super().__init__(". ".join(p for p in parts if p) + ".")

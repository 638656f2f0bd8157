"""What stands in the place of a patient's name."""

import hashlib
import hmac


def pseudonym(key: bytes, source: str) -> str:
    """Six upper-case hexadecimal digits, a letter first ("A7F3C2"), from HMAC-SHA256 of the source.

    key: the library's secret. The same patient gives the same pseudonym within a library; without the key it can be
    neither traced nor compared. source: PatientID or PatientName text; where a file has neither, something of its own
    such as the series UID, so that unknown patients are not taken for one.
    """
    digits = hmac.new(key, source.strip().encode(), hashlib.sha256).hexdigest().upper()
    return "ABCDEF"[int(digits[:2], 16) % 6] + digits[2:7]

"""Takes the webhooks of vidbell with nothing but Python: for where no package may be added. Else prefer receiver.py.

    python receiver_plain.py

VIDBELL_WEBHOOK_SECRET, LISTEN (127.0.0.1:8000), and INBOX, the folder where events are stored: ./inbox.
"""

import base64
import hashlib
import hmac
import os
import sys
import time

from inbox import serve

TOLERANCE = 5 * 60  # seconds between our clock and the sender's


def verify(key: bytes, body: bytes, headers: dict, now: float) -> bool:
    """Whether one of the signatures is that of the body, its id and a time that is about now."""
    event_id, sent, signatures = (headers.get("webhook-" + name, "") for name in ("id", "timestamp", "signature"))
    if not (sent.isascii() and sent.isdigit()) or len(sent) > 12 or abs(now - int(sent)) > TOLERANCE:
        return False
    signed = b".".join((event_id.encode("latin-1"), sent.encode(), body))
    right = b"v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256))
    found = False
    for entry in signatures.encode("latin-1").split(b" "):  # one a secret; other versions than v1 are skipped
        found |= hmac.compare_digest(entry, right)  # takes as long however much of it is right
    return found


def main() -> None:
    try:
        key = base64.b64decode(os.environ.get("VIDBELL_WEBHOOK_SECRET", "").removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if len(key) < 24:  # anyone can sign with an empty one
        sys.exit("receiver: VIDBELL_WEBHOOK_SECRET: want whsec_ and base64 of 24 bytes or more")
    serve(lambda body, headers: verify(key, body, headers, time.time()))


if __name__ == "__main__":
    main()

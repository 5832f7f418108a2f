"""Takes the webhooks of vidbell: verifies them with the official library, stores them, and answers.

    pip install -r requirements.txt && python receiver.py

VIDBELL_WEBHOOK_SECRET, LISTEN (127.0.0.1:8000), and INBOX, the folder where events are stored: ./inbox.
"""

import base64
import os
import sys

from inbox import serve
from standardwebhooks import Webhook


def main() -> None:
    secret = os.environ.get("VIDBELL_WEBHOOK_SECRET", "")
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if len(key) < 24:
        sys.exit("receiver: VIDBELL_WEBHOOK_SECRET: want whsec_ and base64 of 24 bytes or more")
    webhook = Webhook(secret)

    def verify(body: bytes, headers: dict) -> bool:
        try:
            webhook.verify(body, headers)
        except Exception:  # a malformed signature raises more than WebhookVerificationError
            return False
        return True

    serve(verify)


if __name__ == "__main__":
    main()

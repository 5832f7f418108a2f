"""What both receivers share: a server that stores each verified event once. Any web framework will do as well."""

import os
import re
import sys
import tempfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

MAX_BODY = 1 << 20
INBOX = Path(os.environ.get("INBOX", "inbox"))


def store(event_id: str, body: bytes) -> None:
    """Keeps an event once: every attempt, and every replay, has the same id."""
    file = INBOX / f"{event_id}.json"
    if file.exists():
        return
    with tempfile.NamedTemporaryFile(dir=INBOX, prefix=event_id, suffix=".new", delete=False) as draft:
        draft.write(body)
        draft.flush()
        os.fsync(draft.fileno())
    print(event_id, "stored", flush=True)
    Path(draft.name).replace(file)


def serve(verify) -> None:
    """Serves until the process ends. verify(body, headers) says whether a request is genuine; headers are in lower case."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 10

        def do_POST(self) -> None:
            status = self.receive()
            self.send_response(status)
            if status not in (204, 401):  # the body may not have been read
                self.send_header("Connection", "close")
            if status != 204:
                self.send_header("Content-Length", "0")
            self.end_headers()

        def receive(self) -> int:
            """Answers only when the event is stored: vidbell may forget it then. The work comes later, from the inbox."""
            if self.path.split("?")[0] != "/hooks/videos":
                return 404
            length = self.headers.get("Content-Length", "")
            if not re.fullmatch("[0-9]{1,9}", length):
                return 411
            if int(length) > MAX_BODY:
                return 413
            body = self.rfile.read(int(length))  # the raw body: the signature is over its bytes
            headers = {name.lower(): value for name, value in self.headers.items()}
            event_id = headers.get("webhook-id", "")
            if not verify(body, headers) or not re.fullmatch(r"evt_[A-Za-z0-9_-]{1,64}", event_id):
                return 401
            try:
                store(event_id, body)
            except OSError as error:
                print(event_id, error, file=sys.stderr)
                return 503  # it is sent again
            return 204

        def log_message(self, *_) -> None:
            pass

    INBOX.mkdir(parents=True, exist_ok=True)
    host, port = os.environ.get("LISTEN", "127.0.0.1:8000").rsplit(":", 1)
    ThreadingHTTPServer((host, int(port)), Handler).serve_forever()

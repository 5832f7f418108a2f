"""Reads finished videos from the log of vidbell, each of them at least once, and does its work once.

    pip install -r requirements.txt && python consumer.py

NATS_URL (nats://127.0.0.1:4222), NATS_USER and NATS_PASSWORD, and INBOX, the folder that stands for the work: ./inbox.
"""

import asyncio
import json
import os
import re
import signal
import sys
from pathlib import Path

import nats
from nats.errors import TimeoutError as NothingNew
from nats.js.api import AckPolicy, ConsumerConfig

STREAM = "VIDEOS"
NAME = "transcoder"  # the durable consumer's: one per service
INBOX = Path(os.environ.get("INBOX", "inbox"))


def work(event: dict, body: bytes) -> None:
    """Safe to repeat: what was done for an id is not done again.

    Here it is a file; in a database it is a row with the id as its unique key, written in the transaction of the work.
    """
    file = INBOX / f"{event['id']}.json"
    if file.exists():
        return
    draft = file.with_suffix(".new")
    draft.write_bytes(body)
    print(event["id"], event["type"], event["data"]["video_no"], event["data"]["video_name"], flush=True)
    draft.replace(file)


def read(message) -> dict:
    event = json.loads(message.data)
    event_id = str(event["id"])
    if not re.fullmatch(r"evt_[A-Za-z0-9_-]{1,64}", event_id) or (message.headers or {}).get("Nats-Msg-Id") != event_id:
        raise ValueError("a message that vidbell did not write")
    return event


async def handle(message) -> None:
    """Acknowledges after the work, so that a crash in between repeats it."""
    try:
        event = read(message)
    except (ValueError, KeyError, TypeError) as error:
        print("not for us:", error, file=sys.stderr)
        await message.term()  # it will never be
        return
    try:
        work(event, message.data)
    except Exception as error:
        print(event["id"], error, file=sys.stderr)
        await message.nak(delay=5)
        return
    await message.ack()  # lost on the way, the message comes again


async def main() -> None:
    INBOX.mkdir(parents=True, exist_ok=True)
    stopped = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stopped.set)
    client = await nats.connect(
        os.environ.get("NATS_URL", "nats://127.0.0.1:4222"),
        user=os.environ.get("NATS_USER"),
        password=os.environ.get("NATS_PASSWORD"),
        max_reconnect_attempts=-1,
        inbox_prefix=f"_INBOX.{NAME}",  # so that it needs leave to read no answers but its own
    )
    stream = client.jetstream()
    # It goes on where it stopped, and processes that share its name share the work.
    await stream.add_consumer(
        STREAM,
        ConsumerConfig(
            name=NAME,
            durable_name=NAME,
            filter_subject="video.done.>",
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=30,  # seconds; longer than the work takes, or it is handed out again meanwhile
        ),
    )
    subscription = await stream.pull_subscribe_bind(NAME, stream=STREAM)
    while not stopped.is_set():
        try:
            messages = await subscription.fetch(batch=20, timeout=1)
        except NothingNew:
            continue
        for message in messages:
            await handle(message)
    await client.drain()


if __name__ == "__main__":
    asyncio.run(main())

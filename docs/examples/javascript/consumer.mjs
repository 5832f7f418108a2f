// Reads finished videos from the log of vidbell, each of them at least once, and does its work once.
//
//   npm ci && node consumer.mjs
//
// NATS_URL (nats://127.0.0.1:4222), NATS_USER and NATS_PASSWORD, and INBOX, the folder that stands for the work: ./inbox.
import { access, mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { AckPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, nanos } from "@nats-io/transport-node";

const { NATS_URL = "nats://127.0.0.1:4222", NATS_USER, NATS_PASSWORD, INBOX = "inbox" } = process.env;
const stream = "VIDEOS";
const name = "transcoder"; // the durable consumer's: one per service

await mkdir(INBOX, { recursive: true });
const nc = await connect({
  servers: NATS_URL,
  user: NATS_USER,
  pass: NATS_PASSWORD,
  maxReconnectAttempts: -1,
  inboxPrefix: `_INBOX.${name}`, // so that it needs leave to read no answers but its own
});
// It goes on where it stopped, and processes that share its name share the work.
const manager = await jetstreamManager(nc);
await manager.consumers.add(stream, {
  durable_name: name,
  filter_subject: "video.done.>",
  ack_policy: AckPolicy.Explicit,
  ack_wait: nanos(30_000), // longer than the work takes, or it is handed out again meanwhile
});
const consumer = await jetstream(nc).consumers.get(stream, name);
const messages = await consumer.consume({ max_messages: 20 }); // fetched ahead; each must be done within ack_wait
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.once(signal, () => messages.close());
}

for await (const message of messages) {
  let event;
  try {
    event = read(message);
  } catch (error) {
    console.error("not for us:", error.message);
    message.term(); // it will never be
    continue;
  }
  try {
    await work(event, message.data);
    message.ack(); // after the work; lost on the way, the message comes again
  } catch (error) {
    console.error(event.id, error);
    message.nak(5_000);
  }
}
await nc.drain();

function read(message) {
  const event = message.json();
  if (!/^evt_[A-Za-z0-9_-]{1,64}$/.test(event.id) || message.headers?.get("Nats-Msg-Id") !== event.id) {
    throw new Error("a message that vidbell did not write");
  }
  return event;
}

// work is safe to repeat: what was done for an id is not done again. Here it is a file; in a database it is a row with the id as
// its unique key, written in the transaction of the work.
async function work(event, body) {
  const file = join(INBOX, `${event.id}.json`);
  if (await exists(file)) return;
  await writeFile(`${file}.new`, body);
  console.log(event.id, event.type, event.data.video_no, event.data.video_name);
  await rename(`${file}.new`, file);
}

function exists(file) {
  return access(file).then(
    () => true,
    () => false,
  );
}

// Takes the webhooks of vidbell: verifies them, stores them, and answers.
//
//   npm ci && node receiver.mjs
//
// VIDBELL_WEBHOOK_SECRET, LISTEN (127.0.0.1:8000), and INBOX, the folder where events are stored: ./inbox.
import { randomUUID } from "node:crypto";
import { access, mkdir, open, rename } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { Webhook } from "standardwebhooks";

const { VIDBELL_WEBHOOK_SECRET: secret = "", LISTEN = "127.0.0.1:8000", INBOX = "inbox" } = process.env;
const maxBody = 1 << 20;

if (Buffer.from(secret.replace(/^whsec_/, ""), "base64").length < 24) {
  console.error("receiver: VIDBELL_WEBHOOK_SECRET: want whsec_ and base64 of 24 bytes or more");
  process.exit(1);
}
const webhook = new Webhook(secret);
await mkdir(INBOX, { recursive: true });

// It answers only when the event is stored: an answer means that vidbell may forget it. The work comes later, from the inbox.
async function receive(request) {
  if (request.method !== "POST" || request.url.split("?")[0] !== "/hooks/videos") return 404;
  const body = await read(request); // the raw body: the signature is over its bytes
  if (!body) return 413;
  const id = request.headers["webhook-id"];
  try {
    webhook.verify(body, request.headers);
  } catch {
    return 401;
  }
  if (!/^evt_[A-Za-z0-9_-]{1,64}$/.test(id)) return 401;
  await store(id, body);
  return 204;
}

async function read(request) {
  const chunks = [];
  let length = 0;
  for await (const chunk of request) {
    length += chunk.length;
    if (length > maxBody) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

// store keeps an event once: every attempt, and every replay, has the same id.
async function store(id, body) {
  const file = join(INBOX, `${id}.json`);
  if (await exists(file)) return;
  const draft = join(INBOX, `${id}.${randomUUID()}.new`);
  const handle = await open(draft, "wx", 0o600);
  try {
    await handle.writeFile(body);
    await handle.sync();
  } finally {
    await handle.close();
  }
  console.log(id, "stored");
  await rename(draft, file);
}

function exists(file) {
  return access(file).then(
    () => true,
    () => false,
  );
}

const server = createServer(async (request, response) => {
  let status = 503; // it is sent again
  try {
    status = await receive(request);
  } catch (error) {
    console.error(error);
  }
  response.writeHead(status, status === 413 ? { connection: "close" } : {}).end();
});
server.requestTimeout = 10_000;
const [host, port] = LISTEN.split(/:(?=\d+$)/);
server.listen(Number(port), host);

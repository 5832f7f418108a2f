// Package engine starts or reaches the one engine that vidbell runs on: NATS JetStream.
//
// # Embedded
//
// Without a URL nats-server runs inside the process, with a file store under the data directory, synced on every write, so
// that an acknowledged append is on disk: a killed process loses nothing it was told is stored, and an atomic batch is there
// whole or not at all. The process talks to it through memory.
//
// The data directory is locked, since two servers on one store destroy it. Before the server touches the store, every message
// in it is read, and the store is held against a witness: a small file beside it that says which streams there were and how
// far they went. The server by itself would cut a damaged log off at the first bad record and go on, and make one anew that
// is gone. A store that holds less than the witness saw, or that no crash leaves so, ends the start with an [*Error], and
// nothing was touched. The witness is written by a part that watches the server, at most 250 ms after a message that comes
// alone and once a second in a flow of them, after the messages were synced: no append waits for it, no crash and no loss of
// power makes it claim what is not there, and an orderly stop brings it up to date. To begin anew is a deliberate step: move
// the whole directory away.
//
// A durable consumer whose files are damaged is made again behind the last message that the witness knows to be acknowledged,
// which may repeat deliveries and skips none; what was damaged is kept under damaged/. Without a witness of it the start ends.
//
// A listener on loopback lets other services subscribe. Who connects there may subscribe to events, read the streams named
// in [Config], create consumers of its own and acknowledge, and nothing else; answers to this process go to an inbox that
// nobody else may listen to. That holds for honest clients. It is no wall against one that means harm: JetStream answers
// requests to whatever subject they name, an append subject too, and listeners see each other's inboxes. Such an answer is
// recognised by whoever reads the log, for it has none of our headers; it is ignored, and never delivered. Where not every
// local user is trusted, set a token or switch the listener off.
//
// # External
//
// With a URL the engine is a server or cluster of version 2.12 or newer. One that is away, at the start or later, is waited
// for as long as it takes; an append meanwhile fails at once and is not sent later. What waiting cannot mend ends the start
// with an [*Error] that names the setting and says what would be right: an unusable file, wrong credentials, a certificate
// that is not trusted, a server that is too old, an account without JetStream. No error repeats a secret.
//
// # What is not promised
//
// After a kill, damage to the messages of the last second alone looks like a write that was cut short, and a consumer's
// position, which has no checksum until an orderly stop, may be damaged into another that makes sense. The streams that are
// bounded by age (health reports, dead letters, attempts) may lose their newest messages to damage unseen. An external server
// keeps to its own sync interval.
package engine

// Package engine starts or reaches the one engine that vidbell runs on: NATS JetStream.
//
// # Embedded
//
// Without a URL nats-server runs inside the process, with a file store under the data directory, synced on every write, so
// that an acknowledged append is on disk: a killed process loses nothing it was told is stored, and an atomic batch is there
// whole or not at all. The process talks to it through memory.
//
// The data directory is locked, since two servers on one store destroy it. A stream that is on disk and cannot be read ends
// the start: the server by itself would go on without it, and whoever made it again would write over it.
//
// A listener on loopback lets other services subscribe. Who connects there may subscribe to events, read the streams named
// in [Config], create consumers of its own and acknowledge, and nothing else; answers to this process go to an inbox that
// nobody else may listen to. That holds for honest clients. It is no wall against one that means harm: JetStream answers
// requests to whatever subject they name, and listeners see each other's inboxes. Where not every local user is trusted,
// set a token or switch the listener off.
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
// Bytes that rot on disk are found only as far as nats-server finds them: a bad record at the end of the store is taken for
// a write that a crash cut short. An external server keeps to its own sync interval.
package engine

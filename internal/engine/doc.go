// Package engine starts or reaches the one engine that vidbell runs on: NATS JetStream.
//
// Embedded (no URL given): nats-server runs inside the process, with a file store under the data directory, synced on every
// write, so that an acknowledged append is on disk. The process talks to it through memory. A listener on loopback lets other
// services subscribe; who connects there may read streams, create consumers of their own and acknowledge, and nothing else:
// events come from vidbell alone. The data directory is locked, since two servers on one store destroy it.
//
// External (URL given): a server or cluster of version 2.12 or newer. One that is away, at the start or later, is waited for
// for as long as it takes. What waiting cannot mend ends the start with an [*Error] that says what would be right: wrong
// credentials, a server that is too old, an account without JetStream.
package engine

// Package poller asks the platform what its videos are doing, and has what changed written down.
//
// A [Poller] runs one goroutine for each [Source]. Each tick of a source is one flight of requests, one after the other:
//
//   - Until the baseline is complete: the walk through all pages, with all the quota that is free. What it learns is stored
//     page by page, so that a restart does not forget what was already seen in processing.
//   - Then the head: page 1, and on while a page brings videos that are new or in flight, up to a bound.
//   - Then the sweep: the pages after the head, a few a tick, so that a walk through everything takes about the sweep
//     interval. A library that the head shows whole is swept by every tick.
//
// Every page that arrives is reconciled at once (package diff) and its changes are appended to the log through [Store]; only
// then the state in memory moves. A conflict brings the state up to date and decides again; an engine that is away holds the
// source where it is, with the observations in hand, until it is back. A page that fails is no news of any kind.
//
// # What a sweep proves
//
// A sweep is complete when every page arrived, the end was a real one (an empty page, or a short one that the total count
// bears out), no page came twice, and no video lacked an id. A baseline needs a walk to a real end whose count agrees with
// the total that the platform names; one that does not agree is walked again, a few times. An empty listing must be
// confirmed by a second one a poll interval later before it counts as the baseline: else one false empty answer at the very
// first poll would turn a whole library into news.
//
// # Quota
//
// All requests of all sources that share an API key pass one [Account]: a token bucket at the configured rate. A throttle,
// in whatever form, halves the rate and pauses the account for what the platform asks or a doubling backoff with full
// jitter; quiet time brings the rate back, never above what is configured. A refused key, used up credits or a disabled
// account stop the source's lanes: it probes once a minute.
//
// # Health
//
// A source that cannot be read is reported once as degraded and once as recovered, with a reason of a closed set, whatever
// happens to the process in between.
package poller

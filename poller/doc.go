// Package poller asks the platform what its videos are doing, and has what changed written down.
//
// A [Poller] runs one goroutine for each [Source]. Each tick of a source is one flight of requests, one after the other:
//
//   - Until the baseline is complete: the walk through all pages, with all the quota that is free. What it learns is stored
//     page by page, so that a restart does not forget what was already seen in processing.
//   - Then the head: page 1, and on while a page brings videos that are new, up to a bound. A head that was cut off by the
//     bound in the middle of new videos begins a sweep there.
//   - Then what is in flight: the videos held as processing that the head did not show, by the means that takes the fewest
//     requests of those that the platform honours: sets of ids, a listing by status, one id after the other. What leaves the
//     listing by status has finished or is gone: a look-up by id tells.
//   - Then the sweep: the pages after the head, a few a tick, so that a walk through everything takes about the sweep
//     interval, but with no more than a quarter of the account's quota, shared by the account's sources. A library that the
//     head shows whole is swept by every tick.
//   - Then the suspects: what a complete sweep did not show, looked up by id.
//
// So a poll costs what is in flight, not what is in the library: a head, a look-up for each hundred videos in flight, and the
// sweep's share.
//
// A tick begins one interval after the one before began; one that takes longer is followed by the next at once, and what was
// missed is not made up for.
//
// Every page that arrives is reconciled at once (package diff) and its changes are appended to the log through [Store]; only
// then the state in memory moves. A conflict brings the state up to date and decides again; an engine that is away holds the
// source where it is, with the observations in hand, until it is back. A batch that was stored though its acknowledgement was
// lost is found by loading again, and is not told twice. Of two processes that poll one source into one log, one tells each
// change, and the other takes it over at its next tick. A page that fails is no news of any kind: the walk it belongs to goes
// on with the same page in the next tick.
//
// # Filters
//
// Nothing promises that the platform applies a filter. Every answer to one must hold nothing but what was asked for, and count
// no more; a set of ids carries a witness, a video that a listing has just shown, and without it the answer proves no absence.
// One id alone proves an absence once the filter has shown some other video, that day. A filter that is ignored, refused or
// leaves out what is there is noted in the source's stored state and not used for a day. What an answer shows is news
// all the same: a sighting is a sighting.
//
// A listing whose first pages are not newest first, three times in a row, has no head: then the sweep takes all of the quota.
//
// # Hints
//
// [Poller.Hint] says that a video may have moved, on the word of somebody who need not tell the truth. The sources that know it
// look it up at once, within half of their quota; where nobody knows it, a few look at their first page. It brings the next tick
// nearer, and makes no event.
//
// # What a sweep proves
//
// A sweep is complete when every page arrived, the end was a real one (an empty page, or a short one at which the walk has
// seen exactly as many videos as the total count names), no page came twice, and no video lacked an id. A total count that
// differs from what was seen by more than uploads and deletions meanwhile can explain is a mismatch; it is counted, and three
// in a row degrade the source.
//
// What a complete sweep did not show, though it was known before, is suspected: it is looked up in the same tick, as far as
// the quota for look-ups reaches, and package diff decides when all suspects of the sweep are. Two misses in two sweeps are a
// deletion; many at once are held back, the source is degraded (mass_deletion, which also stands for many videos replaced at once), and sweeps are judged once a sweep interval,
// until three more agree or the operator says so ([Poller.Release]). Where no look-up is honoured, a sweep that saw as many
// videos as the platform counts stands for one, if the next counts the same.
//
// A listing that is empty while videos are known proves nothing. It is no sweep and no news; three in a row degrade the source
// (empty), and only then are the videos looked up. A source that never showed a video is degraded after a day.
//
// A baseline needs a walk to a real end that shows at least as many videos as the platform counted when the walk began; a walk
// that shows fewer is walked again, up to [Source.BaselineRetries] walks, and then believed. What came while it walked may be
// missed by it, and is news afterwards. An empty listing must be confirmed by a second one a poll interval later before it
// counts as the baseline: else one false empty answer at the very first poll would turn a whole library into news. Where
// something speaks against it, a total count above 0 or videos known from an earlier walk, it must last ten poll intervals.
// Where all that was a lie, what was there long before is learnt late and is no news (package diff).
//
// How far that walk has come is in the [Status], once a second, and in the log every ten seconds: pages of how many, videos
// recorded, the pace of late, the time left. After a restart the walk begins with its first page, and the videos go on from those
// that are recorded.
//
// # Quota
//
// All requests of all sources that share an API key pass one [Account], evenly spaced at the configured rate: look-ups first,
// then heads, then sweeps, and among equals in the order they came, so that a big library cannot starve a small one. A throttle, in whatever form, halves the rate and pauses the account for what the platform asks (at most
// five minutes) or a doubling backoff with full jitter; quiet time brings the rate back, never above what is configured. A
// throttled page is asked for again in place. A refused key, used up credits or a disabled account stop the lanes of a source
// that meets them: it probes once a minute.
//
// # Health
//
// A source that cannot be read is reported once as degraded and once as recovered, with a reason of a closed set, whatever
// happens to the process in between: what was last told is read back from the [Reporter] at start, after a report that may or
// may not have been stored, and every ten minutes, since another process may have told it and ended. Trouble is three failed ticks in a row, or three doubtful sweeps, or at once an account that is
// refused; the last is told even in the middle of another trouble. One good tick ends a trouble; a mismatch is ended by a sweep
// that counts right, also after a restart.
//
// # Replicas
//
// A replica that lags shows what was before. A first page that shows nothing new and lacks the video that led the one before it is
// taken for such a replica's for a minute, and takes nothing back. Nor does any page within ten seconds after a change. A
// replica that stands still for longer, and lacks nothing newer, is believed once it has said the same for a poll interval.
//
// # Changes of the list
//
// [Poller.Apply] goes on with another list of sources. Whatever is the same is not touched; what is removed is as if the process had
// stopped, for that source; what is added, or comes back, is as if it had started.
//
// # Clocks
//
// The wall clock is watched by the one that nobody sets. When it is set by five seconds or more, either way, waits begin
// anew; what is recorded in the future outdates nothing, and that is logged once a source.
//
// # Simulation
//
// TestSimulation lets seeded random platforms, faults, engines and crashes run against the package in fake time, and compares
// what is told with all that was ever true. A few dozen seeds are run with every test; VIDBELL_SEEDS asks for more or for
// others, and for one again that failed, with its whole story; FuzzPolling looks for seeds by itself:
//
//	VIDBELL_SEEDS=100000 go test -run TestSimulation ./poller
//	VIDBELL_SEEDS=4711-4711 go test -run TestSimulation ./poller
//	VIDBELL_SEEDS=4711-4711 go test -run TestSimulationOfChanges ./poller
//	go test -fuzz FuzzPolling ./poller
//
// # What is not promised
//
// A video that was settled and moves again, far from the head, is seen by the next sweep. Where the platform honours no filter
// at all, so is every video behind the head. A deletion is told after two sweeps at the earliest, and a restart starts the
// count of misses again.
package poller

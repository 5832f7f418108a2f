// Package diff decides what changed.
//
// It is handed what a source's listing showed (observations), what complete sweeps and look-ups did not show (misses), and what
// was known before (a [State]), and returns what must be told to the world (changes) and what must be remembered without telling
// (notes, a baseline page, evidence). It has no clock, does no I/O and starts no goroutine: time comes in as the start of the
// request that made an observation, or made none.
//
// # Contract
//
// [Reconcile] leaves the state as it found it, but for the marks of sightings (in which sweep and which second a video was last
// shown), which are true whatever becomes of the result. The result is first stored in the log; only then [State.Apply] moves the
// state. A result that could not be stored is thrown away, the state is brought up to date from the log, and the same input is
// reconciled again.
//
//   - A video's changes are numbered 1, 2, 3 ... without a gap; 0 means that nothing was ever announced (a baseline video).
//   - The same observations and misses again, or in another order, change nothing.
//   - An observation that began before the video's last change is ignored.
//   - Forward moves (processing to done or failed) are believed at once. Backward and sideways moves, and another creation
//     time under a live id, need two observations at least one poll interval apart with none in between that contradicts. What is
//     observed sooner than Policy.Lag after the last announced change, or on a page that is seen to lag ([Input.Lagging]), counts
//     for none: a replica that stands still shows it again and again. For as long nothing counts as a miss either.
//   - A video is announced as done or failed once per run; a confirmed move back to processing starts a new run.
//   - A video is announced as deleted when two complete sweeps or more missed it and nothing showed it since the first of them. An
//     id that is seen again, or shows another creation time, begins a new life; its versions go on.
//
// The life of an id; every arrow is a change:
//
//	                  .--------- back, confirmed ---------.
//	                  v                                   |
//	first seen --> processing or unknown -- forward --> done or failed   (and between these two, confirmed)
//	                  |  (may stall, once a run)          |
//	                  |                                   |
//	                  '----> deleted: gone, replaced <----'
//	                              |
//	                              '--> seen again: as when first seen
//
// # Words
//
// A raw status is the platform's word. [Words] maps it to a [Status]. PARSE alone is ambiguous: it means processing in one
// vocabulary of the platform and done in the other, so its meaning depends on [Evidence] collected from the source.
//
//	word                                       status
//	DONE                                       done
//	FAILED, FAIL, PARSE_ERROR, ERROR           failed
//	UNPARSE, PENDING, PROCESSING, UPLOADING,   processing
//	empty, null
//	PARSE                                      processing if a DONE was ever seen; else done if an UNPARSE or FAIL was ever
//	                                           seen, or a video older than a day sits in PARSE; else held as processing
//	any other                                  unknown, which behaves as processing
//
// UNPARSE followed by PARSE of one video is done, whatever the evidence. A change of what PARSE means is no change of any
// video: it announces only those that were announced as processing and now turn out to be done, and those of the baseline that
// have moved since, in flight. So does a change of the operator's words. A baseline video that has not moved follows its word in
// silence: an old library is no news.
//
// # Baseline
//
// Until a first complete sweep, unknown videos are learnt silently. A video that moves while the baseline is still being
// walked is announced, since the move was seen. After the baseline a video seen for the first time is announced as what it
// is: it came, and perhaps finished, between two polls.
//
// A baseline that showed no video may have been a lie: an empty success. Where it was, a video that is first seen done or failed and
// was created more than a day before that baseline did not come between two polls; it is learnt as the baseline would have learnt
// it, or announced as that would have been ([Policy].Emit). What is still in flight, is younger or has no creation time is
// announced as ever.
//
// # Absence
//
// Not seeing a video proves nothing within one page, so the caller decides what a complete sweep is. [State.Unseen] names the
// suspects of one: live videos that it did not show and that did not move since it began. The caller looks them up by id, hands
// over what is found as observations and what is not as misses ([Input.Misses]), and says when all were looked up
// ([Input.Judged]).
//
//	seen --> missed once --> candidate, missed by two sweeps --> deleted
//	              |              |                                 ^
//	              |              '--> held back, with too many     |
//	              |                   others, for three sweeps ----'
//	              v                             |
//	            seen <--------------------------'
//
// Any sighting that began after the first miss leads back to the beginning.
//
// A miss counts for nothing if it began before the last change of its video, or not in a later second than the last sighting; if
// its sweep was counted already; or while there is no baseline. Where no look-up is honoured, two sweeps with one and the same
// total count ([Miss].Total) make the two misses; when the count moved, or one was told by a look-up and the other by a count, the
// later one begins anew.
//
// # Holds
//
// A broken listing looks like many deletions. If judging would delete more than ten videos and more than a fifth of the live ones,
// or if no live video of a source with two or more was seen since its first miss, nothing is deleted: the deletions are held back,
// and [Result].Hold and [State.Hold] say so. While that lasts every candidate, also one that would be ordinary by itself, waits
// until three further sweeps missed it, each at least Policy.Agree after the one that counted before, and is deleted when the third
// is judged. What is seen again is no candidate any more. [Input.Release] deletes all candidates at once. The hold ends when no
// candidate is left.
//
// # Clocks
//
// Times are those of a wall clock, and that may be wrong. What is recorded beyond the present ([Input.Now], with some seconds to
// spare) was recorded by a clock that was ahead: it outdates no observation, ends no wait, and starts no duration. A change after it
// is told a millisecond later than the one before, so that a video's times never go backwards. When the clock is set while we
// run, [State.ClockSet] makes doubts, stalls and misses wait anew, whichever way it was set. A clock that is behind when a video
// is first seen is not noticed: its durations are too long when that is set right before a restart.
//
// While more are missed than that, though by one sweep only, nothing is deleted either: they vanished while it went past them.
//
// Creation times that differ are looked at together. Where most of those that a cycle shows differ by the same, to the second, for
// three videos or more of different ages, the platform's clock or time zone has moved and no video has: the difference is kept
// ([Evidence].Shifts), and times before and after it mean the same from then on. Where more than ten videos, and more than a fifth of
// those the cycle shows or of the live ones, differ otherwise, their replacement is held back ([Hold].Replaced): after the second
// sighting each waits for three more that agree, each at least Policy.Agree after the one that counted before. While that lasts any
// other replacement waits, too. A sighting with the recorded time ends a video's wait. [Input.Release] believes what waits; it
// is told when it is seen next, for what it has become is not known before.
//
// # What is not promised
//
// Misses, holds, and the first of two observations that must agree are kept in memory only. A restart forgets them, and so does
// a state that is loaded again after a conflict: a deletion then takes two further sweeps, one of many the three on top of that, and
// what the operator released is to be released again. A deletion is announced at the time of the look-up that decided it; the
// platform does not say when it happened. What was deleted and uploaded again under its id between two sightings, with no
// creation time to tell, is no change.
package diff

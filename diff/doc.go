// Package diff decides what changed.
//
// It is handed what a source's listing showed (observations) and what was known before (a [State]), and returns what must be
// told to the world (changes) and what must be remembered without telling (notes, a baseline page, evidence). It has no
// clock, does no I/O and starts no goroutine: time comes in as the start of the request that made an observation.
//
// # Contract
//
// [Reconcile] leaves the state as it found it, but for the sighting marks of the current sweep, which no decision reads. Its
// result is first stored in the log; only then [State.Apply] moves the state. A result that could not be stored is thrown
// away, the state is brought up to date from the log, and the same observations are reconciled again.
//
//   - A video's changes are numbered 1, 2, 3 ... without a gap; 0 means that nothing was ever announced (a baseline video).
//   - The same observations again, or in another order, change nothing.
//   - An observation that began before the video's last change is ignored.
//   - Forward moves (processing to done or failed) are believed at once. Backward and sideways moves, and another creation
//     time under a live id, need two observations at least one poll interval apart with none in between that contradicts.
//   - A video is announced as done or failed once per run; a confirmed move back to processing starts a new run.
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
// video: it announces only those that were announced as processing and now turn out to be done.
//
// # Baseline
//
// Until a first complete sweep, unknown videos are learnt silently. A video that moves while the baseline is still being
// walked is announced, since the move was seen. After the baseline a video seen for the first time is announced as what it
// is: it came, and perhaps finished, between two polls.
//
// # What is not decided here
//
// Not seeing a video proves nothing within one page, so absence is no input. The caller decides what a complete sweep is.
package diff

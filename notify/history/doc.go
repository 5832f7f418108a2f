// Package history reads the events that were stored: a list of them from the newest to the oldest, one by its id, and all of
// them from a place on as they come.
//
// Two streams hold events, the log of videos and the one of sources and endpoints; a reader sees both as one. Within each the
// order is that in which events were stored. What vidbell did not write is never shown.
//
// # Places
//
// A [Position] says how far somebody has read both streams. Its text carries the log's mark as well, so that a place in one log
// is never taken for one in another: after a log was lost, [Reader.Follow] says so ([Gap]) and goes on from the oldest
// event there is. It says the same when events behind the place are gone because of their age. Otherwise a place is exact:
// what follows it comes, each event once, over restarts and reconnects.
//
// # Cost
//
// A list looks at a bounded part of the log for each answer, and may be short, or empty, and still have more behind it. Followers
// read at their own pace; nothing is kept for them, and nothing is dropped.
package history

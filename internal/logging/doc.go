// Package logging builds vidbell's zap logger.
//
// Lines go to stderr, so that stdout stays free for data; none is dropped by sampling, since a delivery that is not
// logged cannot be traced. The level can be changed while running. On a terminal lines are for people, elsewhere each
// is one JSON object:
//
//	{"level":"info","time":"2026-11-23T22:04:05.123Z","logger":"poller","msg":"sweep complete","videos":42}
//
// Times are UTC with milliseconds. Colour is used on a terminal only, and never when NO_COLOR is set to anything or TERM
// is dumb; it only repeats what the level's word says.
package logging

// Package notify tells the world what changed: it wraps a change into an event, appends events to the log, and rebuilds a
// source's state from the log.
package notify

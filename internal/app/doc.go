// Package app puts the parts together: it is the only place that builds other packages' types. main calls its commands.
//
// # Start
//
// The HTTP listener is opened first, so that health can be asked for while the rest is waited for. Then the engine is started
// or reached, the log opened, the webhook consumers made, so that no event can pass a consumer that does not exist yet, and
// the state of every source loaded. Only then is the process ready, and polls.
//
// # Stop
//
// Last in, first out: polling stops, a batch that is on its way to the log may arrive; requests to receivers that are under
// way may end, for a bounded time, and what was not sent stays in the log for the next start; then the HTTP server and the
// engine stop. A stop loses nothing at any moment, an orderly one only saves repetitions.
package app

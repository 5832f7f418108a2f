// Package simulator is a stateful stand-in for the list call of Memories.ai, spoken to over HTTP or, in tests on fake
// time, through [Simulator.RoundTripper].
package simulator

// Package webhook delivers events of the log to webhook receivers.
package webhook

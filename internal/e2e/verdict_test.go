package e2e

import (
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"vidbell/internal/simulator"
)

// What the service refuses to start with, check refuses as well, with the same code: one that tells a supervisor that another
// try would end the same.
func TestCheckAndServiceAgree(t *testing.T) {
	t.Parallel()
	from := newPlatform(t, simulator.WordsListed(), 5, 0)
	ran := func(t *testing.T, s settings) settings { // a log of its own
		p := start(t, s)
		p.mustBeReady()
		p.stop()
		return s
	}
	external := func(t *testing.T) (settings, *broker) {
		b := newBroker(t)
		b.start()
		return from.settings().external(t, b), b
	}
	for name, c := range map[string]struct {
		prepare func(t *testing.T) settings
		texts   []string
	}{
		"the address of the pages is taken": {
			func(t *testing.T) settings { return local(t, from).with("HTTP_LISTEN", taken(t)) },
			[]string{"VIDBELL_HTTP_LISTEN", "taken"},
		},
		"a stream of somebody else has the name": {
			func(t *testing.T) settings {
				s, b := external(t)
				_, err := streams(t, connect(t, b.url())).CreateStream(t.Context(), jetstream.StreamConfig{Name: logStream, Subjects: []string{"foo"}})
				must(t, err)
				return s
			},
			[]string{logStream, "not ours", "VIDBELL_INSTANCE"},
		},
		"another prefix, external": {
			func(t *testing.T) settings {
				s, _ := external(t)
				return ran(t, s).with("SUBJECT_PREFIX", "acme")
			},
			[]string{"video.>", "VIDBELL_SUBJECT_PREFIX"},
		},
		"another prefix, embedded": {
			func(t *testing.T) settings { return ran(t, local(t, from)).with("SUBJECT_PREFIX", "acme") },
			[]string{"video.>", "VIDBELL_SUBJECT_PREFIX"},
		},
		"more copies than a single server keeps": {
			func(t *testing.T) settings {
				s, _ := external(t)
				return s.with("NATS_REPLICAS", "3")
			},
			[]string{"3 replicas", "VIDBELL_NATS_REPLICAS"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := c.prepare(t)
			p, code := run(t, s, "check")
			mustEnd(t, p, code, exitConfig, c.texts...)
			mustBeReadByMachines(t, s, exitConfig)
			p, code = run(t, s, "run")
			mustEnd(t, p, code, exitConfig, c.texts...)
		})
	}
}

// A service that runs is no reason to find fault: it has the address and the directory.
func TestCheckBesideTheRunningService(t *testing.T) {
	t.Parallel()
	from := newPlatform(t, simulator.WordsListed(), 5, 0)
	s := local(t, from)
	p := start(t, s)
	p.mustBeReady()
	p, code := run(t, s, "check")
	mustEnd(t, p, code, exitOK, "a vidbell that is running", "in use by another vidbell")
}

package poller_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"vidbell/diff"
	"vidbell/internal/simulator"
	"vidbell/poller"
	"vidbell/poller/memories"
)

const (
	tick  = 15 * time.Second
	key   = "sk-mavi-one"
	other = "sk-mavi-two"
)

// world is a platform, a log and the pollers between them, in fake time.
type world struct {
	t       *testing.T
	sim     *simulator.Simulator
	words   simulator.Words
	log     *logStore
	reports *reports
	logged  *observer.ObservedLogs
	metrics *prometheus.Registry

	options  []func(*poller.Source)
	rate     float64
	random   func() float64
	started  time.Time
	ahead    atomic.Int64   // nanoseconds by which the wall clock is ahead
	expected map[string]int // events of a source that were already looked at
}

// inBubble runs a test in fake time with a platform of these options.
func inBubble(t *testing.T, options simulator.Options, test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		options.Keys = []string{key, other}
		if options.RequestLog == 0 {
			options.RequestLog = 1_000_000
		}
		sim, err := simulator.New(options)
		if err != nil {
			t.Fatal(err)
		}
		test(&world{
			t: t, sim: sim, words: sim.Words(), log: newLogStore(t), reports: &reports{},
			rate: 5, random: func() float64 { return 0 }, started: time.Now(), expected: make(map[string]int),
		})
	})
}

// onEveryVocabulary runs a scenario on the three vocabularies that the rules name.
func onEveryVocabulary(t *testing.T, options simulator.Options, test func(w *world)) {
	t.Helper()
	for _, words := range []simulator.Words{simulator.WordsPlain(), simulator.WordsLegacy(), simulator.WordsCode()} {
		t.Run(strings.ReplaceAll(words.String(), "/", " "), func(t *testing.T) {
			options.Words = words
			inBubble(t, options, test)
		})
	}
}

// source is one with the settings that most tests use: ticks at even distance.
func (w *world) source(name string, account *poller.Account, apiKey string) poller.Source {
	w.t.Helper()
	client, err := memories.New(memories.Config{
		BaseURL: "http://platform", APIKey: apiKey, Transport: w.sim.RoundTripper(), Timeout: 10 * time.Second,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	s := poller.Source{
		Name: name, UniqueID: name, Lister: stamped{client, w}, Account: account,
		PollInterval: tick, MaxInterval: tick, SweepInterval: 10 * time.Minute, Words: diff.DefaultWords(),
	}
	for _, option := range w.options {
		option(&s)
	}
	return s
}

// stamped stamps pages by the world's wall clock.
type stamped struct {
	poller.Lister
	w *world
}

func (s stamped) List(ctx context.Context, q memories.Query) (memories.Page, error) {
	ahead := time.Duration(s.w.ahead.Load())
	page, err := s.Lister.List(ctx, q)
	page.StartedAt = page.StartedAt.Add(ahead)
	return page, err
}

// setClock sets the wall clock so far ahead of the right time.
func (w *world) setClock(ahead time.Duration) { w.ahead.Store(int64(ahead)) }

// with changes the settings of sources made from now on.
func (w *world) with(option func(s *poller.Source)) { w.options = append(w.options, option) }

func pageSize(n int) func(*poller.Source) { return func(s *poller.Source) { s.PageSize = n } }

// process is a running poller.
type running struct {
	poller *poller.Poller
	stop   context.CancelFunc
	ended  chan error
	w      *world
}

// start runs a poller of one source named default, as a process of its own.
func (w *world) start() *running {
	w.t.Helper()
	return w.startOf(w.source("default", poller.NewAccount(w.rate), key))
}

func (w *world) startOf(sources ...poller.Source) *running {
	w.t.Helper()
	p := w.newPoller(sources...)
	if err := p.Load(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	r := &running{poller: p, stop: cancel, ended: make(chan error, 1), w: w}
	go func() { r.ended <- p.Run(ctx) }()
	w.t.Cleanup(cancel)
	w.pass(tick / 2) // from here on, ticks come in the middle of what tests let pass
	return r
}

func (w *world) newPoller(sources ...poller.Source) *poller.Poller {
	w.t.Helper()
	core, logged := observer.New(zapcore.DebugLevel)
	w.logged = logged
	w.metrics = prometheus.NewRegistry()
	p, err := poller.New(poller.Config{
		Sources: sources, Store: w.log.process(), Reporter: w.reports, Logger: zap.New(core), Registerer: w.metrics, Random: w.random,
		Clock: func() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return p
}

// kill stops a poller and waits for its end.
func (r *running) kill() {
	r.w.t.Helper()
	r.stop()
	if err := <-r.ended; err != nil {
		r.w.t.Errorf("Run returned %v when it was told to stop", err)
	}
}

// status is that of the only source.
func (r *running) status() poller.Status { return r.poller.Status()[0] }

// pass lets time pass, and all that belongs to it happen.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	time.Sleep(d)
	synctest.Wait()
}

// ticks lets n ticks pass.
func (w *world) ticks(n int) { w.t.Helper(); w.pass(time.Duration(n) * tick) }

// expect wants exactly these new events of the source default, in this order.
func (w *world) expect(what string, events ...string) {
	w.t.Helper()
	w.expectOf("default", what, events...)
}

func (w *world) expectOf(source, what string, events ...string) {
	w.t.Helper()
	got := w.log.happened(source, w.expected[source])
	w.expected[source] += len(got)
	if !slices.Equal(got, events) {
		w.t.Errorf("%s (at %s): events %q, want %q", what, time.Since(w.started), got, events)
	}
}

func (w *world) expectReports(what string, lines ...string) {
	w.t.Helper()
	if got := w.reports.lines(); !slices.Equal(got, lines) {
		w.t.Errorf("%s (at %s): reports %q, want %q", what, time.Since(w.started), got, lines)
	}
}

func (w *world) expectRequests(what string, n int) {
	w.t.Helper()
	if got := w.sim.Counts().Total; got != n {
		w.t.Errorf("%s (at %s): %d requests, want %d: %s", what, time.Since(w.started), got, n, w.asked())
	}
}

// asked are the pages that were asked for, for messages.
func (w *world) asked() string {
	var b strings.Builder
	for _, r := range w.sim.Requests() {
		fmt.Fprintf(&b, " %s:%s/%d%s%v%s(%d)%s", r.Time.Sub(w.started), r.Namespace, r.Page, r.VideoNo, r.VideoNos, r.Status, r.Items, r.Fault)
	}
	return b.String()
}

// listings are the requests for pages of everything.
func (w *world) listings() []simulator.Request {
	return slices.DeleteFunc(w.sim.Requests(), func(r simulator.Request) bool {
		return r.VideoNo != "" || len(r.VideoNos) > 0 || r.Status != ""
	})
}

// add uploads a video with a word; later ones are newer.
func (w *world) add(no, raw string) {
	w.sim.Add("default", simulator.Video{No: no, Raw: raw})
	time.Sleep(time.Millisecond)
}

// library uploads a list as the rules write it, the newest first: P, R, F are processing, done, failed.
func (w *world) library(items ...string) {
	for _, item := range slices.Backward(items) {
		no, st, ok := strings.Cut(item, ":")
		if !ok {
			st = "R"
		}
		w.add(no, w.word(st))
	}
}

func (w *world) word(letter string) string {
	switch letter {
	case "P":
		return w.words.Processing
	case "R":
		return w.words.Done
	case "F":
		return w.words.Failed
	default:
		w.t.Fatalf("no status is written %q", letter)
		return ""
	}
}

// is changes what the platform says: "a:R".
func (w *world) is(items ...string) {
	w.t.Helper()
	for _, item := range items {
		no, st, _ := strings.Cut(item, ":")
		if !w.sim.Set("default", no, w.word(st), "") {
			w.t.Fatalf("no video %s", no)
		}
	}
}

func (w *world) fail(script ...simulator.Fault) {
	w.t.Helper()
	if err := w.sim.Fail(script...); err != nil {
		w.t.Fatal(err)
	}
}

// most is the largest number of requests of an account in any window.
func (w *world) most(account string, window time.Duration) int {
	var at []time.Time
	for _, r := range w.sim.Requests() {
		if r.Account == account {
			at = append(at, r.Time)
		}
	}
	most := 0
	for i, first := 0, 0; i < len(at); i++ {
		for at[i].Sub(at[first]) >= window {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// lines are the messages logged at a level or above.
func (w *world) lines(level zapcore.Level) []string {
	var lines []string
	for _, e := range w.logged.All() {
		if e.Level >= level {
			lines = append(lines, e.Message)
		}
	}
	return lines
}

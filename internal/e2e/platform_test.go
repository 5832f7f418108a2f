package e2e

import (
	"math/rand/v2"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"vidbell/internal/simulator"
)

const (
	apiKey     = "sk-mavi-e2e-7Jq2XvN4tR9w"
	hintSecret = "e2e-hint_3Kc8Wd5Zp1"
	namespace  = simulator.DefaultNamespace
	pageSize   = 50 // small, so that a walk has several pages
	cause      = "the stream ends in the middle of a frame"
)

// The kinds of event, in the words of their types.
const (
	processing = "processing"
	done       = "done"
	failed     = "failed"
)

// platform is the simulator on a socket, and the truth: what must be told of each video that moved.
type platform struct {
	sim *simulator.Simulator
	url string

	mu       sync.Mutex
	stories  map[string]*story
	inFlight []string // of the library that was there before the first poll
}

// story is what must be announced of a video, in order.
type story struct {
	kinds []string
	// uploaded: a video that came after the baseline may be seen in processing before it ends, and is then announced so;
	// nobody promises to see it.
	uploaded bool
}

// accepts tells whether the kinds announced of a video, in the order of their versions, are exactly its story.
func (s *story) accepts(announced []string) bool {
	if s.uploaded && len(announced) > 0 && announced[0] == processing {
		announced = announced[1:]
	}
	return slices.Equal(announced, s.kinds)
}

// newPlatform serves a library of finished videos and of some in processing.
func newPlatform(t testing.TB, words simulator.Words, finished, inFlight int) *platform {
	t.Helper()
	return newPlatformOf(t, simulator.Options{Words: words}, finished, inFlight)
}

func newPlatformOf(t testing.TB, options simulator.Options, finished, inFlight int) *platform {
	t.Helper()
	options.Keys, options.MaxPageSize = []string{apiKey}, pageSize
	sim, err := simulator.New(options)
	must(t, err)
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	p := &platform{sim: sim, url: server.URL, stories: map[string]*story{}}
	sim.Fill(namespace, finished)
	for range inFlight {
		p.inFlight = append(p.inFlight, sim.Add(namespace, simulator.Video{}))
	}
	return p
}

// settings make a process poll this platform as fast as it can be told to.
func (p *platform) settings() settings {
	return settings{
		"API_URL": p.url, "API_KEY": apiKey, "POLL_INTERVAL": "100ms", "POLL_MAX_INTERVAL": "100ms", "SWEEP_INTERVAL": "500ms",
		"RATE_LIMIT": "100", "STALL_AFTER": "0", "LOG_FORMAT": "json",
		"HINT_SECRET": hintSecret,
	}
}

// upload adds a video that ends after a time: at once, and it came and ended between two polls.
func (p *platform) upload(kind string, after time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	step := simulator.Step{After: after, Raw: p.word(kind)}
	if kind == failed {
		step.Cause = cause
	}
	no := p.sim.Add(namespace, simulator.Video{Life: []simulator.Step{step}})
	p.stories[no] = &story{kinds: []string{kind}, uploaded: true}
}

// finish ends one of the videos that were in processing before the first poll. It reports whether there was one left.
func (p *platform) finish(kind string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.inFlight) == 0 {
		return false
	}
	no := p.inFlight[0]
	p.inFlight = p.inFlight[1:]
	p.stories[no] = &story{}
	p.move(no, kind)
	return true
}

// again has a video processed anew, or ends the new run: only one whose story was told so far, since a poll shows states,
// and nobody promises to see one that came and went. It does nothing when there is none.
func (p *platform) again(kind string, told func(no string) []string) {
	const longest = 5 // done, processing, failed, processing, done
	p.mu.Lock()
	defer p.mu.Unlock()
	for no, s := range p.stories {
		if s.uploaded || len(s.kinds) >= longest || !s.accepts(told(no)) {
			continue
		}
		if s.kinds[len(s.kinds)-1] != processing {
			kind = processing
		}
		p.move(no, kind)
		return
	}
}

func (p *platform) move(no, kind string) {
	why := ""
	if kind == failed {
		why = cause
	}
	p.sim.Set(namespace, no, p.word(kind), why)
	p.stories[no].kinds = append(p.stories[no].kinds, kind)
}

func (p *platform) word(kind string) string {
	w := p.sim.Words()
	switch kind {
	case done:
		return w.Done
	case failed:
		return w.Failed
	default:
		return w.Processing
	}
}

// truth is a copy of all stories.
func (p *platform) truth() map[string]story {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make(map[string]story, len(p.stories))
	for no, s := range p.stories {
		all[no] = story{kinds: slices.Clone(s.kinds), uploaded: s.uploaded}
	}
	return all
}

// ending is how a video ends, one in four in failure.
func ending(rng *rand.Rand) string {
	if rng.IntN(4) == 0 {
		return failed
	}
	return done
}

// traffic is what happens on a platform. Told, when given, also has videos processed again.
type traffic struct {
	platform *platform
	rng      *rand.Rand
	told     func(no string) []string
}

// begin lets things happen, one every tenth of a second or so, until the returned function is called.
func (tr traffic) begin() (end func()) {
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Duration(30+tr.rng.IntN(120)) * time.Millisecond):
				tr.step()
			}
		}
	}()
	return sync.OnceFunc(func() { close(stop); <-ended })
}

func (tr traffic) step() {
	kind := ending(tr.rng)
	switch roll := tr.rng.IntN(100); {
	case roll < 40:
		tr.platform.upload(kind, time.Duration(tr.rng.IntN(1000))*time.Millisecond)
	case roll < 50:
		tr.platform.upload(kind, 0)
	case roll < 75 || tr.told == nil:
		tr.platform.finish(kind)
	default:
		tr.platform.again(kind, tr.told)
	}
}

// newWords is one of the platform's vocabularies: what is told must not depend on it.
func newWords(rng *rand.Rand) simulator.Words {
	all := simulator.EveryWords()
	return all[rng.IntN(len(all))]
}

package poller_test

import (
	"slices"
	"sync"
	"time"

	"vidbell/internal/simulator"
)

// era is a time in which a video was there and nothing about it moved. One that has not ended has no until.
type era struct {
	from, until time.Time
	raw         string // as a client reads it
}

// overlaps reports whether an era has an instant in common with a span of time, its ends included.
func (e era) overlaps(from, until time.Time) bool {
	return !e.from.After(until) && (e.until.IsZero() || !e.until.Before(from))
}

// platform is the simulated platform with its annals: all that was ever true of it.
type platform struct {
	sim *simulator.Simulator

	mu    sync.Mutex
	eras  map[string][]era
	names map[string]string
	ids   []string    // ever used, the oldest first
	given int         // ids
	moved []time.Time // when something was uploaded or deleted: lists shift
}

func newPlatform(sim *simulator.Simulator) *platform {
	return &platform{sim: sim, eras: make(map[string][]era), names: make(map[string]string)}
}

// read is how a client reads a word of the simulator.
func read(raw string) string {
	switch raw {
	case simulator.Null, simulator.Absent, simulator.Empty:
		return ""
	default:
		return raw
	}
}

// upload adds a video, in place of one that has the id.
func (p *platform) upload(v simulator.Video) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sim.Add("default", v)
	if p.eras[v.No] == nil {
		p.ids = append(p.ids, v.No)
	}
	p.end(v.No)
	p.names[v.No] = v.Name
	p.eras[v.No] = append(p.eras[v.No], era{from: time.Now(), raw: read(v.Raw)})
	p.moved = append(p.moved, time.Now())
}

// end closes the era of a video, if it is there. The annals are locked.
func (p *platform) end(no string) {
	if all := p.eras[no]; len(all) > 0 && all[len(all)-1].until.IsZero() {
		all[len(all)-1].until = time.Now()
	}
}

// move gives a video another word, if it is there.
func (p *platform) move(no, raw, cause string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sim.Set("default", no, raw, cause) {
		p.end(no)
		p.eras[no] = append(p.eras[no], era{from: time.Now(), raw: read(raw)})
	}
}

func (p *platform) rename(no, name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sim.Rename("default", no, name) {
		p.names[no] = name
	}
}

// remove deletes those of the videos that are there.
func (p *platform) remove(videos ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, no := range videos {
		if p.sim.Delete("default", no) > 0 {
			p.end(no)
			p.moved = append(p.moved, time.Now())
		}
	}
}

// is returns what a video's word is now, and whether it is there.
func (p *platform) is(no string) (raw string, there bool) {
	all := p.eras[no]
	if len(all) == 0 || !all[len(all)-1].until.IsZero() {
		return "", false
	}
	return all[len(all)-1].raw, true
}

// living lists the videos that are there, in the order of their ids' first use.
func (p *platform) living() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(p.ids), func(no string) bool {
		_, there := p.is(no)
		return !there
	})
}

// was reports whether a video had a word at some instant of a span.
func (p *platform) was(no, raw string, from, until time.Time) bool {
	return slices.ContainsFunc(p.eras[no], func(e era) bool { return e.raw == raw && e.overlaps(from, until) })
}

// stayed reports whether a video was there for all of a span.
func (p *platform) stayed(no string, from, until time.Time) bool {
	at := from
	for _, e := range p.eras[no] {
		if e.from.After(at) {
			return false
		}
		if e.until.IsZero() || e.until.After(until) {
			return true
		}
		at = later(at, e.until)
	}
	return false
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// shifts is how often lists shifted in a span.
func (p *platform) shifts(from, until time.Time) int {
	n := 0
	for _, at := range p.moved {
		if !at.Before(from) && !at.After(until) {
			n++
		}
	}
	return n
}

package simulator

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Simulator is one platform. All its methods may be used at once from many goroutines.
type Simulator struct {
	opts     Options
	accounts map[string]string
	render   renderer

	mu        sync.Mutex
	libraries map[string]*library
	ids       snowflakes
	inserted  uint64
	rng       *rand.Rand // names, durations, sizes
	agenda    agenda
	planned   uint64
	quota     quota
	faults    faults
	log       requestLog
	hooks     hooks
	outbox    outbox
}

// New builds a platform without videos.
func New(opts Options) (*Simulator, error) {
	opts = opts.withDefaults()
	if err := opts.validate(); err != nil {
		return nil, fmt.Errorf("simulator options: %w", err)
	}
	return &Simulator{
		opts:      opts,
		accounts:  opts.accounts(),
		render:    renderer{opts.Form, opts.Cause, opts.Casing, opts.Words.Done, opts.Seed},
		libraries: map[string]*library{},
		rng:       opts.random("uploads"),
		quota:     newQuota(opts.QuotaPerSecond, opts.QuotaBurst),
		faults:    faults{rng: opts.random("faults")},
		log:       newRequestLog(opts.RequestLog),
		outbox:    newOutbox(),
	}, nil
}

func (o Options) accounts() map[string]string {
	accounts := map[string]string{}
	for _, key := range o.Keys {
		accounts[key] = orElse(o.Accounts[key], key)
	}
	return accounts
}

// random gives each purpose its own stream, so that one does not disturb another.
func (o Options) random(purpose string) *rand.Rand {
	return rand.New(rand.NewPCG(o.Seed, mix(o.Seed, purpose)))
}

// Words are the raw words of this platform.
func (s *Simulator) Words() Words { return s.opts.Words }

// library finds a namespace, creating it as a list call does.
func (s *Simulator) library(ns string) *library {
	lib, ok := s.libraries[ns]
	if !ok {
		lib = newLibrary()
		s.libraries[ns] = lib
	}
	return lib
}

// locked settles what is due and runs fn with the current instant.
func (s *Simulator) locked(fn func(now time.Time)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.opts.Now()
	s.settle(now)
	fn(now)
}

// Add puts a video into a namespace and returns its id. A video that was there under this id is replaced, as by a new
// upload.
func (s *Simulator) Add(ns string, v Video) (no string) {
	s.locked(func(now time.Time) {
		rec := s.newRecord(v, now)
		s.replace(ns, rec.video.No, now)
		s.library(ns).insert(rec)
		s.start(ns, rec, now)
		no = rec.video.No
	})
	return no
}

// AddAll is Add for a whole library: videos and ids in the same order, at the price of one sort.
func (s *Simulator) AddAll(ns string, videos []Video) (nos []string) {
	s.locked(func(now time.Time) {
		records := make([]*record, 0, len(videos))
		for _, v := range videos {
			rec := s.newRecord(v, now)
			s.replace(ns, rec.video.No, now)
			records, nos = append(records, rec), append(nos, rec.video.No)
		}
		for _, rec := range s.library(ns).insertAll(records) {
			s.start(ns, rec, now)
		}
	})
	return nos
}

func (s *Simulator) replace(ns, no string, now time.Time) {
	if old, ok := s.library(ns).byNo[no]; ok {
		s.library(ns).remove(old, now)
	}
}

// start announces the upload and plays the steps that are due at once.
func (s *Simulator) start(ns string, rec *record, now time.Time) {
	s.queueUpload(ns, rec.video)
	s.begin(ns, rec, rec.video.Life, now)
	s.settle(now)
}

func (s *Simulator) newRecord(v Video, now time.Time) *record {
	v.CreatedAt = orElse(v.CreatedAt, now)
	v.No = orElse(v.No, s.ids.draw(v.CreatedAt))
	v.Name = orElse(v.Name, uploadName(s.rng))
	v.DurationS = orElse(v.DurationS, 5+s.rng.Int64N(900))
	v.Size = orElse(v.Size, v.DurationS*(80_000+s.rng.Int64N(400_000)))
	v.Raw = orElse(v.Raw, s.opts.Words.Processing)
	s.inserted++
	return &record{video: v, key: s.keyOf(v), added: now}
}

func (s *Simulator) keyOf(v Video) key {
	if s.opts.Shuffled {
		return key{int64(mix(s.opts.Seed, v.No) >> 1), s.inserted}
	}
	return key{v.CreatedAt.UnixMilli(), s.inserted}
}

// Set changes the word and the cause of a video. Steps of its life that are still to come will come. It reports whether
// the video is there.
func (s *Simulator) Set(ns, no, raw, cause string) (ok bool) {
	s.with(ns, no, func(rec *record, now time.Time) {
		s.move(ns, rec, raw, cause, now)
		ok = true
	})
	return ok
}

// SetLife gives a video a new life that counts from now; none ends the one it has. It reports whether the video is there.
func (s *Simulator) SetLife(ns, no string, life ...Step) (ok bool) {
	s.with(ns, no, func(rec *record, now time.Time) {
		s.begin(ns, rec, life, now)
		s.settle(now)
		ok = true
	})
	return ok
}

// Rename gives a video another name. It reports whether the video is there.
func (s *Simulator) Rename(ns, no, name string) (ok bool) {
	s.with(ns, no, func(rec *record, _ time.Time) {
		rec.video.Name = name
		ok = true
	})
	return ok
}

func (s *Simulator) with(ns, no string, fn func(*record, time.Time)) {
	s.locked(func(now time.Time) {
		if lib, ok := s.libraries[ns]; ok && lib.byNo[no] != nil {
			fn(lib.byNo[no], now)
		}
	})
}

// Delete removes videos and returns how many were there. Unknown ids are accepted, as by the platform.
func (s *Simulator) Delete(ns string, nos ...string) (deleted int) {
	for _, no := range nos {
		s.with(ns, no, func(rec *record, now time.Time) {
			s.libraries[ns].remove(rec, now)
			deleted++
		})
	}
	return deleted
}

// Get returns a video as it stands now, with the rest of its life.
func (s *Simulator) Get(ns, no string) (v Video, ok bool) {
	s.with(ns, no, func(rec *record, _ time.Time) { v, ok = rec.video, true })
	return v, ok
}

// List returns a namespace in the order in which it is served.
func (s *Simulator) List(ns string) []Video { return s.newest(ns, math.MaxInt) }

// newest returns the first videos of a namespace in the order in which it is served.
func (s *Simulator) newest(ns string, limit int) (videos []Video) {
	s.locked(func(time.Time) {
		lib, ok := s.libraries[ns]
		if !ok {
			return
		}
		for _, rec := range slices.Backward(lib.sorted[max(0, len(lib.sorted)-limit):]) {
			videos = append(videos, rec.video)
		}
	})
	return videos
}

// Len is the number of videos of a namespace.
func (s *Simulator) Len(ns string) (n int) {
	s.locked(func(time.Time) {
		if lib, ok := s.libraries[ns]; ok {
			n = len(lib.sorted)
		}
	})
	return n
}

// Namespaces lists all that were added to or asked for.
func (s *Simulator) Namespaces() (names []string) {
	s.locked(func(time.Time) { names = slices.Sorted(maps.Keys(s.libraries)) })
	return names
}

// Fail queues faults. The first error names the field that is wrong, and then nothing is queued.
func (s *Simulator) Fail(script ...Fault) error {
	queue := make([]*Fault, 0, len(script))
	for i, f := range script {
		if err := f.validate(); err != nil {
			return fmt.Errorf("fault %d: %w", i+1, err)
		}
		f.Times = orElse(f.Times, 1)
		queue = append(queue, &f)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.queue = append(s.faults.queue, queue...)
	return nil
}

// Faults are those still to be played.
func (s *Simulator) Faults() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	pending := []Fault{}
	for _, f := range s.faults.queue {
		pending = append(pending, *f)
	}
	return pending
}

// ClearFaults ends all faults: the platform is healthy again.
func (s *Simulator) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.queue = nil
}

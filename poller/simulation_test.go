package poller_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vidbell/diff"
	"vidbell/internal/simulator"
	"vidbell/poller"
)

// A simulation is a seeded run: a random platform that moves, lags, lies and fails, an engine that comes and goes, and one or
// two processes that are killed, crash and start again. What they tell is compared with the annals of the platform and with
// what they were answered.
//
//	simulation_script_test.go    what may happen
//	simulation_platform_test.go  what was true
//	simulation_process_test.go   who asked, and was answered what
//	simulation_checks_test.go    what must hold
//
// How to run more of them is said in doc.go.
type simulation struct {
	t       *testing.T
	random  *rand.Rand // of the script alone: its order must not depend on goroutines
	changes *rand.Rand // of changes of the source while it is polled; nil for none
	options simulator.Options
	source  poller.Source
	rate    float64
	keys    []string

	*platform

	log      *logStore
	reports  *reports
	programs []*program // all that ever ran
	alive    []*program
	began    time.Time
	story    []string

	mu       sync.Mutex
	jitters  *rand.Rand
	played   map[string]simulator.FaultKind // on the last request, by key
	still    bool                           // nothing moves any more
	blind    time.Time                      // since when the log says that no look-up is honoured
	released []time.Time                    // when the operator believed deletions
	erased   bool                           // in the end nothing is left on the platform
}

// maxPrograms is how many processes a run may start.
const maxPrograms = 30

// kept are the seeds that found something.
var kept = []struct {
	seed  uint64
	size  uint8
	found string
}{
	{3283, 127, "that no absence was proved where a tick had one look-up only"},
	{180, 4, "that a sighting in an answer to an ignored filter ended no miss"},
	{477, 241, "that an ignored filter hid what its answers showed"},
	{171, 183, "that a source that is emptied was never believed where no look-up is honoured"},
	{786, 154, "that a source that is emptied was never believed where the listing has no head"},
	{95, 187, "that a renamed video was told to be gone"},
	{2731, 183, "that a deletion of a renamed video was held back for ever"},
	{957, 81, "that a trouble told by a process that died was never over"},
	{9670, 158, "that a sweep was judged by a state that had forgotten the sightings since"},
	{7534, 230, "that a conflict about filters made a miss of a sighting"},
	{16560, 112, "that suspects were asked for in sets that the platform refuses, for ever"},
	{12837, 89, "that sets that are refused were never given up for look-ups one by one"},
}

func TestSimulation(t *testing.T) {
	t.Parallel()
	for _, k := range kept {
		t.Run(fmt.Sprintf("kept seed %d-%d, which found %s", k.seed, k.size, k.found), func(t *testing.T) {
			t.Parallel()
			simulate(t, k.seed, k.size, false)
		})
	}
	first, end := seeds(t)
	for seed := first; seed < end; seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			simulate(t, seed, uint8(seed*37), false)
		})
	}
}

// The same, while the settings of the source change, and it is taken out and comes back.
func TestSimulationOfChanges(t *testing.T) {
	t.Parallel()
	first, end := seeds(t)
	for seed := first; seed < end; seed++ {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			simulate(t, seed, uint8(seed*37), true)
		})
	}
}

// seeds is the range that VIDBELL_SEEDS asks for, a number or first-last; a few if it asks for none.
func seeds(t *testing.T) (first, end uint64) {
	t.Helper()
	text := os.Getenv("VIDBELL_SEEDS")
	if text == "" {
		return 0, 48
	}
	from, to, isRange := strings.Cut(text, "-")
	if !isRange {
		from, to = "0", from
	}
	first, err := strconv.ParseUint(from, 10, 64)
	if err != nil {
		t.Fatalf("VIDBELL_SEEDS: %v", err)
	}
	if end, err = strconv.ParseUint(to, 10, 64); err != nil {
		t.Fatalf("VIDBELL_SEEDS: %v", err)
	}
	if isRange {
		end++
	}
	return first, end
}

func FuzzPolling(f *testing.F) {
	for _, k := range kept {
		f.Add(k.seed, k.size)
	}
	f.Add(uint64(1), uint8(1))
	f.Fuzz(func(t *testing.T, seed uint64, size uint8) { simulate(t, seed, size, size&1 == 1) })
}

// simulate is one run.
func simulate(t *testing.T, seed uint64, size uint8, changing bool) {
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(t, seed, size)
		if changing {
			s.changes = rand.New(rand.NewPCG(seed, 1<<33))
		}
		s.run(8 + int(size)%48)
		if t.Failed() {
			t.Logf("seed %d, size %d, platform %+v, source %+v", seed, size, s.options, s.source)
			t.Logf("what happened:\n%s\nwhat was told:\n%s", strings.Join(s.story, "\n"), strings.Join(s.retell(), "\n"))
		}
	})
}

func newSimulation(t *testing.T, seed uint64, size uint8) *simulation {
	s := &simulation{
		t: t, random: rand.New(rand.NewPCG(seed, uint64(size))), jitters: rand.New(rand.NewPCG(seed, 1<<32)),
		log: newLogStore(t), reports: &reports{}, played: make(map[string]simulator.FaultKind), began: time.Now(),
	}
	s.draw(seed)
	sim, err := simulator.New(s.options)
	if err != nil {
		t.Fatal(err)
	}
	s.platform = newPlatform(sim)
	sim.OnServe(func(r simulator.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.played[r.Key] = r.Fault
	})
	return s
}

// oneOf draws one of some.
func oneOf[T any](s *simulation, from ...T) T { return from[s.random.IntN(len(from))] }

// chance is true once in n times.
func (s *simulation) chance(n int) bool { return s.random.IntN(n) == 0 }

// between draws a time from a range.
func (s *simulation) between(shortest, longest time.Duration) time.Duration {
	return shortest + time.Duration(s.random.Int64N(int64(longest-shortest)+1))
}

// jitter is the random of the processes.
func (s *simulation) jitter() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.jitters.Float64()
}

// draw decides what platform it is and how it is polled.
func (s *simulation) draw(seed uint64) {
	s.rate = oneOf(s, 2.0, 2, 5, 20, 100)
	accounts := make(map[string]string)
	for i := range maxPrograms {
		s.keys = append(s.keys, fmt.Sprint("key-", i))
		accounts[s.keys[i]] = "all"
	}
	s.options = simulator.Options{
		Keys: s.keys, Accounts: accounts, Seed: seed, RequestLog: 1,
		Form:  oneOf(s, simulator.FormV12, simulator.Form2026, simulator.FormMixed),
		Words: oneOf(s, simulator.WordsPlain(), simulator.WordsLegacy(), simulator.WordsCode()), Cause: simulator.CauseMixed,
		Casing: oneOf(s, simulator.CasingSnake, simulator.CasingMixed), IntegerCode: s.chance(4), HTTPAuthErrors: s.chance(2),
		QuotaPerSecond: oneOf(s, 0, 0, s.rate*0.7, s.rate*3),
		Throttle:       oneOf(s, simulator.ThrottleCode, simulator.ThrottleHTTP, simulator.ThrottleInteger, simulator.ThrottleText),
		RetryAfter:     oneOf(s, 0, 0, 2*time.Second),
		MaxPageSize:    oneOf(s, 0, 0, 3+s.random.IntN(6)), SizePolicy: oneOf(s, simulator.SizeClamp, simulator.SizeClampHidden),
		MaxVideoNos: oneOf(s, 0, 0, 4, 12), StatusFilter: oneOf(s, simulator.StatusEmpty, simulator.StatusRefuse),
		IgnoredFilters: s.ignored(), Shuffled: s.chance(5),
	}
	poll := s.between(2*time.Second, 6*time.Second)
	s.source = poller.Source{
		Name: "default", UniqueID: "default", Words: diff.DefaultWords(), PageSize: 3 + s.random.IntN(12),
		PollInterval: poll, MaxInterval: poll * time.Duration(1+s.random.IntN(3)), SweepInterval: s.between(poll, 6*poll),
		StallAfter: oneOf(s, 0, 0, 20*time.Second), Emit: s.chance(3), VideoName: oneOf(s, "", "", "clip-*"),
	}
}

// ignored draws the filters that the platform reads and does not apply.
func (s *simulation) ignored() []string {
	switch s.random.IntN(6) {
	case 0:
		return []string{oneOf(s, "video_no", "video_nos", "status")}
	case 1:
		return []string{"video_no", "video_nos", "status"}
	default:
		return nil
	}
}

// run lets so many things happen, then peace, and then looks at what was told.
func (s *simulation) run(steps int) {
	s.settle()
	s.launch()
	for range steps {
		s.pass(s.between(0, 2*s.source.PollInterval))
		s.happen()
		s.change()
		s.reap()
	}
	s.calm()
	s.converge()
	for len(s.alive) > 0 {
		s.bury(s.alive[0])
	}
	s.check()
}

// pass lets time pass, and all that belongs to it happen.
func (s *simulation) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// tell adds to the story, for whoever looks into a failure.
func (s *simulation) tell(format string, args ...any) {
	s.story = append(s.story, s.at(time.Now())+fmt.Sprintf(format, args...))
}

func (s *simulation) at(t time.Time) string {
	return fmt.Sprintf("%9s ", t.Sub(s.began).Round(time.Millisecond))
}

// retell is what the processes were answered, what they were in the end, and what they told.
func (s *simulation) retell() []string {
	var lines []string
	for _, p := range s.programs {
		for i := range p.asked {
			lines = append(lines, s.at(p.asked[i].at)+p.key+p.asked[i].String())
		}
		lines = append(lines, fmt.Sprintf("in the end %s is %+v", p.key, p.poller.Status()[0]))
	}
	for _, e := range s.log.all() {
		c := e.change
		lines = append(lines, s.at(e.at)+fmt.Sprintf("%s %s v%d, %s, of %s", c.Kind, c.VideoNo, c.Record.Version, c.Reason, s.at(c.At.Time())))
	}
	return lines
}

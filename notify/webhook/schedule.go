package webhook

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// JitterShare is how much of a wait it may be longer or shorter: 5 m become 4 m to 6 m, so that an outage's deliveries do not
// come back in one wave.
const JitterShare = 0.2

const (
	maxSteps     = 50
	maxStep      = 7 * 24 * time.Hour
	minStep      = 10 * time.Millisecond
	standardName = "standard"
)

// standardSteps is the schedule that the Standard Webhooks specification gives as its example.
var standardSteps = [...]time.Duration{
	0, 5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour,
	5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
}

// fastSteps is for receivers whose news is stale after a quarter of an hour.
var fastSteps = [...]time.Duration{0, time.Second, 5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute}

// patientSteps begins like the standard one, and then tries once a day to the end of a week.
var patientSteps = [...]time.Duration{
	0, 5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour,
	24 * time.Hour, 24 * time.Hour, 24 * time.Hour, 24 * time.Hour, 24 * time.Hour, 24 * time.Hour,
}

var namedSchedules = map[string][]time.Duration{
	standardName: standardSteps[:], "fast": fastSteps[:], "patient": patientSteps[:],
}

// ScheduleNames lists the schedules that have a name.
func ScheduleNames() []string { return slices.Sorted(maps.Keys(namedSchedules)) }

// Schedule holds the wait before each attempt of a delivery; the first wait is zero. The zero value is the standard one.
type Schedule struct{ steps []time.Duration }

// ParseSchedule reads a name of ScheduleNames (or nothing, for the standard one), or a comma list of waits such as "0,1s,5s,1m": the wait before each attempt.
// A leading 0, the first attempt, may be left out.
func ParseSchedule(s string) (Schedule, error) {
	s = strings.TrimSpace(s)
	if s == "" || s == standardName {
		return Schedule{}, nil
	}
	if steps, ok := namedSchedules[s]; ok {
		return Schedule{steps: steps}, nil
	}
	var steps []time.Duration
	for _, part := range strings.Split(s, ",") {
		part = strings.TrimSpace(part)
		d, err := time.ParseDuration(part)
		if err != nil {
			return Schedule{}, fmt.Errorf("schedule step %q: use %s, or durations with units such as 0,5s,5m", part, strings.Join(ScheduleNames(), ", "))
		}
		if len(steps) == 0 && d != 0 {
			steps = append(steps, 0)
		}
		if len(steps) > 0 && (d < minStep || d > maxStep) {
			return Schedule{}, fmt.Errorf("schedule step %q: use %s to %s", part, minStep, maxStep)
		}
		steps = append(steps, d)
	}
	if len(steps) > maxSteps {
		return Schedule{}, fmt.Errorf("schedule: %d steps are too many, use at most %d", len(steps), maxSteps)
	}
	return Schedule{steps: steps}, nil
}

// Steps returns the wait before each attempt.
func (s Schedule) Steps() []time.Duration { return slices.Clone(s.list()) }

// Attempts is how often a delivery is tried before it becomes a dead letter.
func (s Schedule) Attempts() int { return len(s.list()) }

// Total is the time from the first attempt to the last one, without jitter and without the time the attempts take.
func (s Schedule) Total() time.Duration {
	var total time.Duration
	for _, d := range s.list() {
		total += d
	}
	return total
}

// String writes the schedule as ParseSchedule reads it.
func (s Schedule) String() string {
	for name, steps := range namedSchedules {
		if slices.Equal(steps, s.list()) {
			return name
		}
	}
	parts := make([]string, len(s.steps))
	for i, d := range s.steps {
		parts[i] = d.String()
	}
	return strings.Join(parts, ",")
}

func (s Schedule) list() []time.Duration {
	if len(s.steps) == 0 {
		return standardSteps[:]
	}
	return s.steps
}

// after is the wait that follows so many attempts, with jitter; r is a random number in [0, 1). It reports false when the
// schedule is used up.
func (s Schedule) after(attempts int, r float64) (time.Duration, bool) {
	steps := s.list()
	if attempts < 0 || attempts >= len(steps) {
		return 0, false
	}
	return jittered(steps[attempts], r), true
}

// window is the longest that the schedule can take: a Retry-After never holds a delivery past it.
func (s Schedule) window() time.Duration { return jittered(s.Total(), 1) }

func jittered(d time.Duration, r float64) time.Duration {
	return time.Duration(float64(d) * (1 - JitterShare + 2*JitterShare*r))
}

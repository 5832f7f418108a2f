package webhook

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseSchedule(t *testing.T) {
	ms := time.Millisecond
	for name, c := range map[string]struct {
		text string
		want []time.Duration
		err  string
	}{
		"nothing is the standard one":      {text: "", want: standardSteps[:]},
		"the standard one by name":         {text: "standard", want: standardSteps[:]},
		"a list":                           {text: "0, 100ms,1s", want: []time.Duration{0, 100 * ms, time.Second}},
		"a leading 0 may be left out":      {text: "100ms,1s", want: []time.Duration{0, 100 * ms, time.Second}},
		"one attempt only":                 {text: "0", want: []time.Duration{0}},
		"a name that there is not":         {text: "patiently", err: `"patiently": use fast, patient, standard, or durations`},
		"the fast one":                     {text: "fast", want: fastSteps[:]},
		"the patient one":                  {text: " patient ", want: patientSteps[:]},
		"a number without unit":            {text: "0,5", err: `"5": use fast, patient, standard, or durations with units`},
		"a hole":                           {text: "0,,5s", err: `"": use`},
		"a negative step":                  {text: "0,-5s", err: `"-5s": use 10ms to 168h0m0s`},
		"no wait between attempts":         {text: "0,0", err: `"0": use 10ms`},
		"a step that is longer than weeks": {text: "0,169h", err: `"169h": use`},
		"more steps than anyone means":     {text: strings.Repeat("1s,", 50) + "1s", err: "52 steps are too many"},
	} {
		s, err := ParseSchedule(c.text)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v, want %q", name, err, c.err)
			}
			continue
		}
		if err != nil || !slices.Equal(s.Steps(), c.want) {
			t.Errorf("%s: %v %v, want %v", name, s.Steps(), err, c.want)
		}
		again, err := ParseSchedule(s.String())
		if err != nil || !slices.Equal(again.Steps(), s.Steps()) {
			t.Errorf("%s: %q reads as %v %v", name, s, again.Steps(), err)
		}
	}
}

func TestTheStandardScheduleIsThatOfTheSpecification(t *testing.T) {
	var s Schedule
	if s.Attempts() != 10 {
		t.Errorf("%d attempts", s.Attempts())
	}
	if want := 75*time.Hour + 35*time.Minute + 5*time.Second; s.Total() != want {
		t.Errorf("it takes %s, want %s", s.Total(), want)
	}
}

func TestWhatTheNamedSchedulesPromise(t *testing.T) {
	for name, c := range map[string]struct {
		attempts   int
		from, upTo time.Duration
	}{
		"fast":     {6, 12 * time.Minute, 13 * time.Minute},
		"standard": {10, 75 * time.Hour, 76 * time.Hour},
		"patient":  {13, 6 * 24 * time.Hour, 7 * 24 * time.Hour},
	} {
		s := schedule(t, name)
		if s.Attempts() != c.attempts || s.Total() < c.from || s.Total() > c.upTo || s.String() != name {
			t.Errorf("%s: %d attempts in %s, written %s", name, s.Attempts(), s.Total(), s)
		}
	}
}

func TestStepsOfAScheduleWithJitter(t *testing.T) {
	s := schedule(t, "0,10s,100s")
	for name, c := range map[string]struct {
		attempts int
		random   float64
		want     time.Duration
		ok       bool
	}{
		"the first attempt is not delayed":     {0, .9, 0, true},
		"the least jitter":                     {1, 0, 8 * time.Second, true},
		"none":                                 {1, .5, 10 * time.Second, true},
		"nearly the most":                      {2, .999999, 120 * time.Second, true},
		"after the last attempt there is none": {3, .5, 0, false},
	} {
		got, ok := s.after(c.attempts, c.random)
		if ok != c.ok || (got-c.want).Abs() > time.Millisecond {
			t.Errorf("%s: %s %v, want %s %v", name, got, ok, c.want, c.ok)
		}
	}
}

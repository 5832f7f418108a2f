package diff

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A script is a source's life, a line a cycle:
//
//	[+10m] [x3] sweep [a:P b:R(cause)#old@-5s] => v1 done(a) moved from processing took 15s; ...
//	walk [a:P] found [b:R] => held 2 agreed 0
//	see [a:P] missed [b c@-5s/100] => held none
//
// sweep is a cycle that ends a complete sweep, see one that does not, lagging one of a replica
// that is seen to lag. walk is a sweep, and what becomes of those that it did not
// show: they are looked up a second later, what stands behind found is found, and what is not is missed and judged. missed are the
// misses of another sweep, whose lookups began when the line says (and if need be the total count), judged in the same cycle; with
// "again" in front they are of the sweep before. "release" is the operator's word. What is held back comes behind the events when
// it changed. A line comes 15 seconds after the line before it, or what
// "+" says; x3 repeats it that often, and only the last may have events. What stands behind => is exactly what must be
// announced, nothing stands for none.
//
// A video is its id, a word (P, R and F of the vocabulary, any other literally), and if need be why it failed, the name of its
// creation time (one hour before the script begins, or: #old two days, #new half an hour, #other of other videos, #none unknown), and when it was
// observed if that was not when the line says.
//
// "restart [auto|done|processing]" rebuilds the state from the log, with that rule for PARSE, "words DONE,READY" with that list of words for done. "gone a" is a confirmed deletion. "clock -2h"
// sets the clock.
type script struct {
	vocabulary vocabulary
	policy     Policy
	words      Words
	text       string
	sweeps     uint32
}

// vocabulary gives the words for P, R and F.
type vocabulary struct{ P, R, F string }

func (v vocabulary) String() string { return v.P + "_" + v.R + "_" + v.F }

var vocabularies = []vocabulary{
	{"PARSE", "DONE", "FAILED"}, {"UNPARSE", "PARSE", "FAIL"}, {"UNPARSE", "PARSE", "PARSE_ERROR"},
}

const (
	scriptStart = Time(1_754_037_217_992)
	scriptStep  = 15 * time.Second
)

var scriptPolicy = Policy{Confirm: scriptStep}

var (
	lineForm = regexp.MustCompile(`^(?:\+(\S+) )?(?:x(\d+) )?(sweep|see|walk|release|lagging)(?: \[(.*?)\])?` +
		`(?: (found|missed|again missed) \[(.*)\])?(?: => (.+))?$`)
	videoForm = regexp.MustCompile(`^(\w+):([^(#@]*)(?:\(([^)]*)\))?(?:#(\w+))?(?:@(\S+))?$`)
	missForm  = regexp.MustCompile(`^(\w+)(?:@([^/]+))?(?:/(\d+))?$`)
)

func (s script) run(t *testing.T) {
	t.Helper()
	if s.words.classes == nil {
		s.words = DefaultWords()
	}
	src := newSource(t, s.words, s.policy)
	now := scriptStart
	for line := range strings.Lines(s.text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		if jump, ok := strings.CutPrefix(line, "clock "); ok {
			now += Time(duration(t, jump).Milliseconds())
			src.clockSet(now)
			continue
		}
		if s.command(t, src, line, now) {
			continue
		}
		now = s.line(t, src, line, now)
	}
}

// command runs a line that is no cycle.
func (s *script) command(t *testing.T, src *source, line string, now Time) bool {
	t.Helper()
	verb, arg, _ := strings.Cut(line, " ")
	switch verb {
	case "restart":
		rules := map[string]ParseRule{"auto": ParseAuto, "done": ParseDone, "processing": ParseProcessing}
		words := src.words
		if arg != "" {
			words = Words{classes: words.classes, rule: rules[arg]}
		}
		src.restart(words)
	case "words":
		words, err := NewWords(strings.Split(arg, ","), nil, nil, src.words.rule)
		if err != nil {
			t.Fatal(err)
		}
		src.restart(words)
	case "gone":
		src.delete(arg, now)
	default:
		return false
	}
	return true
}

func (s *script) line(t *testing.T, src *source, line string, now Time) Time {
	t.Helper()
	m := lineForm.FindStringSubmatch(line)
	if m == nil {
		t.Fatalf("cannot read line %q", line)
	}
	step, times := scriptStep, 1
	if m[1] != "" {
		step = duration(t, m[1])
	}
	if m[2] != "" {
		times, _ = strconv.Atoi(m[2])
	}
	for n := 1; n <= times; n++ {
		now += Time(step.Milliseconds())
		held := src.hold
		got := []string{}
		for _, in := range s.cycles(t, src, m, now) {
			for _, c := range src.cycle(in()) {
				got = append(got, describe(c))
			}
		}
		if src.hold != held {
			got = append(got, describeHold(src.hold))
		}
		want := []string{}
		if n == times && m[7] != "" {
			want = strings.Split(m[7], "; ")
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%s (%d of %d)\n got %s\nwant %s", line, n, times, strings.Join(got, "; "), strings.Join(want, "; "))
		}
	}
	return now
}

// cycles are the inputs of a line, each made when the one before it is done.
func (s *script) cycles(t *testing.T, src *source, m []string, now Time) []func() Input {
	t.Helper()
	verb, list, also, others := m[3], m[4], m[5], m[6]
	in := Input{Observations: s.observations(t, list, now), Release: verb == "release", Lagging: verb == "lagging", Now: now}
	if verb == "sweep" || verb == "walk" || also == "missed" {
		s.sweeps++
	}
	in.Sweep = s.sweeps
	if verb == "sweep" || verb == "walk" {
		in.SweepComplete = now
	}
	if also == "missed" || also == "again missed" {
		in.Misses, in.Judged = s.misses(t, others, now), s.sweeps
	}
	all := []func() Input{func() Input { return in }}
	if verb != "walk" {
		return all
	}
	found := s.observations(t, others, now+1000)
	return append(all,
		func() Input { return Input{Observations: found, Now: now + 1000} },
		func() Input {
			late := Input{Judged: in.Sweep, Now: now + 1000}
			for _, no := range src.state.Unseen(in.Sweep, now) {
				if !slices.ContainsFunc(found, func(o Observation) bool { return o.VideoNo == no }) {
					late.Misses = append(late.Misses, Miss{VideoNo: no, Sweep: in.Sweep, At: now + 1000})
				}
			}
			return late
		})
}

func (s *script) misses(t *testing.T, videos string, now Time) []Miss {
	t.Helper()
	var misses []Miss
	for _, v := range strings.Fields(videos) {
		m := missForm.FindStringSubmatch(v)
		if m == nil {
			t.Fatalf("cannot read miss %q", v)
		}
		miss := Miss{VideoNo: m[1], Sweep: s.sweeps, At: now}
		if m[2] != "" {
			miss.At += Time(duration(t, m[2]).Milliseconds())
		}
		miss.Total, _ = strconv.ParseInt("0"+m[3], 10, 64)
		misses = append(misses, miss)
	}
	return misses
}

func describeHold(h Hold) string {
	switch {
	case h == Hold{}:
		return "held none"
	case h.Replaced > 0:
		return fmt.Sprintf("held %d of which replaced %d agreed %d", h.Videos, h.Replaced, h.Agreed)
	case h.Emptied:
		return fmt.Sprintf("held all %d agreed %d", h.Videos, h.Agreed)
	}
	return fmt.Sprintf("held %d agreed %d", h.Videos, h.Agreed)
}

func (s *script) observations(t *testing.T, videos string, now Time) []Observation {
	t.Helper()
	var obs []Observation
	for _, v := range strings.Fields(videos) {
		m := videoForm.FindStringSubmatch(v)
		if m == nil {
			t.Fatalf("cannot read video %q", v)
		}
		o := Observation{VideoNo: m[1], Raw: s.word(m[2]), Cause: m[3], At: now, CreatedAt: s.created(t, m[1], m[4])}
		if m[5] != "" {
			o.At += Time(duration(t, m[5]).Milliseconds())
		}
		obs = append(obs, o)
	}
	return obs
}

func (s *script) word(w string) string {
	switch w {
	case "P":
		return s.vocabulary.P
	case "R":
		return s.vocabulary.R
	case "F":
		return s.vocabulary.F
	}
	return w
}

// created ages videos by their ids: a is older than b.
func (s *script) created(t *testing.T, video, name string) Time {
	t.Helper()
	age := map[string]time.Duration{"": time.Hour, "old": 48 * time.Hour, "new": 30 * time.Minute, "other": 20 * time.Minute, "none": 0}
	ago, ok := age[name]
	if !ok {
		t.Fatalf("no creation time %q", name)
	}
	if ago == 0 {
		return 0
	}
	nth := Time(video[0] - 'a')
	if name == "other" { // than any that differs by the same for two videos
		nth *= nth * 7
	}
	return scriptStart - Time(ago.Milliseconds()) + nth*1000
}

func duration(t *testing.T, s string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatalf("cannot read a duration: %v", err)
	}
	return d
}

// onEveryVocabulary runs a script in which P, R and F stand for words.
func onEveryVocabulary(t *testing.T, policy Policy, text string) {
	t.Helper()
	for _, v := range vocabularies {
		t.Run(fmt.Sprint(v), func(t *testing.T) {
			script{vocabulary: v, policy: policy, text: text}.run(t)
		})
	}
}

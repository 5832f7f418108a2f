package event

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var installations = []Names{{}, {Instance: "two", Prefix: "acme.video"}}

func TestSubjectsOfTheDocumentation(t *testing.T) {
	n := Names{}
	for want, got := range map[string]string{
		"video.done.default.VI606404158946574336": n.VideoSubject(TypeDone, "default", "VI606404158946574336"),
		"video.failed.s.a=2Eb":                    n.VideoSubject("failed", "s", "a.b"),
		"video.>":                                 n.Videos(Filter{}),
		"video.done.>":                            n.Videos(Filter{Type: TypeDone}),
		"video.failed.>":                          n.Videos(Filter{Type: "failed"}),
		"video.*.marketing.>":                     n.Videos(Filter{Source: "marketing"}),
		"video.done.marketing.>":                  n.Videos(Filter{Type: TypeDone, Source: "marketing"}),
		"video.*.*.VI606404158946574336":          n.Videos(Filter{VideoNo: "VI606404158946574336"}),
		"video.done.s.=3E":                        n.Videos(Filter{Type: TypeDone, Source: "s", VideoNo: ">"}),
		"vidbell.ops.>":                           n.Ops(""),
		"vidbell.ops.source.degraded.>":           n.Ops(TypeSourceDegraded),
		"vidbell.ops.endpoint.disabled.ops":       n.OpsSubject(TypeEndpointDisabled, "ops"),
		"VIDEOS":                                  n.Stream(),
		"VIDBELL_OPS":                             n.OpsStream(),
		"acme.video.done.>":                       installations[1].Videos(Filter{Type: TypeDone}),
		"vidbell-two.ops.>":                       installations[1].Ops(""),
		"VIDEOS_two":                              installations[1].Stream(),
		"VIDBELL_OPS_two":                         installations[1].OpsStream(),
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestSubjectsAreReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom(installations).Draw(t, "names")
		eventType := rapid.SampledFrom(VideoTypes()).Draw(t, "type")
		source, no := ids().Draw(t, "source"), ids().Draw(t, "video")
		s, err := n.ParseSubject(n.VideoSubject(eventType, source, no))
		if err != nil {
			t.Fatal(err)
		}
		hashed, want := isHash(Token(source)) || isHash(Token(no)), Subject{Type: eventType, Source: source, VideoNo: no}
		if want.Hashed = hashed; isHash(Token(source)) {
			want.Source = ""
		}
		if isHash(Token(no)) {
			want.VideoNo = ""
		}
		if s != want {
			t.Fatalf("%q %q read as %+v", source, no, s)
		}
		for _, ops := range OpsTypes() {
			s, err := n.ParseSubject(n.OpsSubject(ops, source))
			if err != nil {
				t.Fatal(err)
			}
			name, other := s.Source, s.Endpoint
			if strings.HasPrefix(ops, "endpoint.") {
				name, other = other, name
			}
			if s.Type != ops || other != "" || s.VideoNo != "" || name != source && !s.Hashed {
				t.Fatalf("%s of %q read as %+v", ops, source, s)
			}
		}
	})
}

func TestWhatIsNoSubjectOfAnEvent(t *testing.T) {
	for _, subject := range []string{
		"", "video", "video.", "video.done", "video.done.s", "video.done.s.", "video..s.v", "video.done.s.v.w", "video.done.a b.v", "video.done.s.>",
		"videos.done.s.v", "vidbell.ops", "vidbell.ops.source.degraded", "vidbell.ops.source.degraded.s.t", "vidbell.ops..degraded.s",
		"vidbell.state.s.meta", "vidbell-two.ops.source.degraded.s", "acme.video.done.s.v", "video.done.s.=h1",
	} {
		if s, err := (Names{}).ParseSubject(subject); err == nil {
			t.Errorf("%q read as %+v", subject, s)
		}
	}
}

func TestFiltersMatchWhatTheyChoose(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom(installations).Draw(t, "names")
		few := rapid.SampledFrom([]string{"a", "b.c", ">", "*", strings.Repeat("x", 121)})
		eventType, source, no := rapid.SampledFrom(VideoTypes()).Draw(t, "type"), few.Draw(t, "source"), few.Draw(t, "video")
		f := Filter{
			Type:   rapid.SampledFrom(append(VideoTypes(), "")).Draw(t, "filter type"),
			Source: rapid.OneOf(few, rapid.Just("")).Draw(t, "filter source"), VideoNo: rapid.OneOf(few, rapid.Just("")).Draw(t, "filter video"),
		}
		want := (f.Type == "" || f.Type == eventType) && (f.Source == "" || f.Source == source) && (f.VideoNo == "" || f.VideoNo == no)
		if got := covers(n.Videos(f), n.VideoSubject(eventType, source, no)); got != want {
			t.Fatalf("%s and %s: %v", n.Videos(f), n.VideoSubject(eventType, source, no), got)
		}
	})
}

// covers is NATS's matching, written down once more.
func covers(filter, subject string) bool {
	want, have := strings.Split(filter, "."), strings.Split(subject, ".")
	for i, w := range want {
		if w == ">" {
			return len(have) > i
		}
		if i >= len(have) || w != "*" && w != have[i] {
			return false
		}
	}
	return len(want) == len(have)
}

package webhook

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestFilterExpressions(t *testing.T) {
	done := eventBody("evt_1", "video.done", "VI1")
	degraded := []byte(`{"id":"evt_2","type":"endpoint.degraded","source":"urn:vidbell:endpoint:a","subject":"a","data":{"endpoint":"a","reason":"failing","detail":"502"}}`)
	for text, c := range map[string]struct{ done, degraded bool }{
		``:                                                {true, true},
		"  \n":                                            {true, true},
		`true`:                                            {true, true},
		`type == "video.done"`:                            {true, false},
		`type startsWith "endpoint."`:                     {false, true},
		`id == "evt_1" and subject == "VI1"`:              {true, false},
		`source == "urn:vidbell:default"`:                 {true, false},
		`data.source == "default"`:                        {true, false},
		`data.duration_seconds > 10`:                      {true, false},
		`data.duration_seconds / 60 < 1`:                  {true, true},
		`data.size_bytes > 3 * 1024 * 1024`:               {true, false},
		`data.video_name matches "^ein .*_tiny$"`:         {true, false},
		`data.video_name contains "–"`:                    {true, false},
		`lower(data.raw_status) in ["done", "ok"]`:        {true, false},
		`data.cause == ""`:                                {true, true}, // null there
		`not (data.cause contains "codec")`:               {true, true},
		`data.processing_seconds >= 83.0`:                 {true, false},
		`data.version == 2 && !data.initial`:              {true, false},
		`data.reason == "failing"`:                        {false, true},
		`data.endpoint != "a" || data.detail == "x"`:      {true, false},
		`any(["a", "ein"], data.video_name startsWith #)`: {true, false},
		`date(time).Year() == 2026`:                       {true, true}, // there is no time in the second: an error, so it passes
	} {
		f, err := compileFilter(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, _ := f.passes(done); got != c.done {
			t.Errorf("%s: done passes is %v", text, got)
		}
		if got, _ := f.passes(degraded); got != c.degraded {
			t.Errorf("%s: degraded passes is %v", text, got)
		}
	}
}

func TestMistakesInFiltersAreShownWithTheirPlace(t *testing.T) {
	for text, want := range map[string][]string{
		`data.duratoin_seconds > 60`:          {"1:6: ", "data has no field duratoin_seconds", "\n", "^"},
		"type == \"video.done\" &&\ndta.x":    {"2:1: ", "unknown name dta"},
		`data.duration_seconds > "60"`:        {"1:23: ", "mismatched types int64 and string"},
		`data.duration_seconds + 1`:           {"expected bool, but got int"},
		`type == "video.done`:                 {"1:", "literal not terminated"},
		`type = "video.done"`:                 {"1:6: "},
		`type == "a" and`:                     {"1:", "unexpected token EOF"},
		`data.video_name matches "("`:         {"1:", "missing closing )"},
		`nosuch(type)`:                        {"1:1: ", "unknown name nosuch"},
		`len(1..1000000) > 0`:                 {"a range (..)"},
		`all([1],all([1],all([1],# > 0)))`:    {"3 conditions over lists are too many"},
		strings.Repeat("x", maxFilterBytes+1): {"4097 bytes are too many"},
	} {
		_, err := compileFilter(text)
		for _, part := range want {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("%.40s: %v, want %q", text, err, part)
			}
		}
	}
}

func TestOnlyWhatTheFilterWantsIsDelivered(t *testing.T) {
	e, in, all := startEngine(t), startReceiver(t, nil), startReceiver(t, nil)
	r := e.dispatch([]Endpoint{
		{Name: "a", URL: in.URL, Filter: `data.video_no endsWith "7"`},
		{Name: "all", URL: all.URL, Sources: []string{"default"}},
		{Name: "none", URL: all.URL, Sources: []string{"other"}},
	})
	for i := range 30 {
		e.append("done", i)
	}
	eventually(t, "all", func() bool { return len(all.seen()) == 30 })
	eventually(t, "three", func() bool { return len(in.seen()) == 3 && r.value(t, "vidbell_webhook_filtered_total", "a") == 27 })
	eventually(t, "nothing is left", func() bool { return e.unanswered("a") == 0 })
	for i, want := range []string{"evt_done7", "evt_done17", "evt_done27"} {
		if in.count(want) != 1 {
			t.Errorf("%s, number %d, is missing", want, i)
		}
	}
	if got := r.value(t, "vidbell_webhook_filter_errors_total", "a"); got != 0 {
		t.Errorf("%v errors", got)
	}
}

func TestAFilterThatFailsDeliversAndCounts(t *testing.T) {
	e, in := startEngine(t), startReceiver(t, nil)
	r := e.dispatch([]Endpoint{{Name: "a", URL: in.URL, Filter: `int(data.video_name) > 5`}})
	ids := []string{e.append("done", 1), e.append("done", 2)}
	for _, id := range ids {
		eventually(t, id, func() bool { return in.count(id) == 1 })
	}
	if got := r.value(t, "vidbell_webhook_filter_errors_total", "a"); got != 2 {
		t.Errorf("%v errors are counted", got)
	}
	if n := r.logs.FilterMessage("webhook filter failed, the event is delivered").Len(); n != 1 {
		t.Errorf("logged %d times", n)
	}
}

// The longest that an expression can take is bounded by its length; this is about the worst there is.
func TestNoFilterTakesLong(t *testing.T) {
	list := strings.TrimSuffix(strings.Repeat("1,", 900), ",")
	f, err := compileFilter(fmt.Sprintf("all([%s], let x = #; all([%s], # == x))", list, list))
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if _, err := f.passes(eventBody("evt_1", "video.done", "VI1")); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
}

func BenchmarkFilter(b *testing.B) {
	f, err := compileFilter(`data.duration_seconds > 10 && data.video_name startsWith "ein"`)
	must(b, err)
	body := eventBody("evt_1", "video.done", "VI1")
	b.ReportAllocs()
	for b.Loop() {
		if yes, err := f.passes(body); !yes || err != nil {
			b.Fatal(yes, err)
		}
	}
}

package diff

import "testing"

func TestWhatAVideoWaitsFor(t *testing.T) {
	s := NewState("one", DefaultWords())
	step := func(in Input) {
		t.Helper()
		s.Apply(Reconcile(s, in, benchPolicy))
	}
	at := Time(1_000_000)
	var page []Observation
	for _, no := range []string{"VA", "VB", "VC", "VD", "VE", "VF", "VG", "VH", "VI", "VJ", "VK", "VL"} {
		page = append(page, Observation{VideoNo: no, Raw: "PARSE", CreatedAt: at, At: at})
	}
	step(Input{Observations: page, Sweep: 1, SweepComplete: at, Now: at})
	expect := func(sentence, no string, want Wait) {
		t.Helper()
		if l, known := s.LookAt(no); !known || l.Wait != want {
			t.Errorf("%s: %s waits for %q, want %q", sentence, no, l.Wait, want)
		}
	}
	expect("nothing tells what PARSE means", "VA", WaitWord)
	at += 1000
	step(Input{Observations: []Observation{{VideoNo: "VB", Raw: "DONE", CreatedAt: 1_000_000, At: at}}, Now: at})
	expect("a DONE does", "VA", WaitNothing)
	expect("and it is done itself", "VB", WaitNothing)
	at += 60_000
	step(Input{Observations: []Observation{{VideoNo: "VB", Raw: "PARSE", CreatedAt: 1_000_000, At: at}}, Now: at})
	expect("it goes back", "VB", WaitConfirm)
	miss := func(sweep uint32, nos ...string) {
		t.Helper()
		at += 60_000
		var misses []Miss
		for _, no := range nos {
			misses = append(misses, Miss{VideoNo: no, Sweep: sweep, At: at})
		}
		step(Input{Misses: misses, Judged: sweep, Sweep: sweep, Now: at})
	}
	miss(2, "VC")
	expect("one sweep did not show it", "VC", WaitMissing)
	var all []string
	for _, o := range page {
		all = append(all, o.VideoNo)
	}
	miss(3, all...)
	expect("one sweep showed none", "VA", WaitMissing)
	miss(4, all...)
	expect("nor did the next", "VA", WaitHold)
	if _, known := s.LookAt("VZ"); known {
		t.Error("a video that there is not is known")
	}
}

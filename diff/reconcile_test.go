package diff

import "testing"

func TestBenchSmoke(t *testing.T) {
	s := NewState("s", DefaultWords())
	obs := []Observation{{VideoNo: "a", Raw: "UNPARSE", At: 1000}}
	r := Reconcile(s, Input{Observations: obs, SweepComplete: 1000}, Policy{})
	if len(r.Changes) != 0 || len(r.Learned) != 1 || r.Meta == nil {
		t.Fatalf("%+v", r)
	}
	s.Apply(r)
	r = Reconcile(s, Input{Observations: []Observation{{VideoNo: "a", Raw: "PARSE", At: 2000}}}, Policy{})
	if len(r.Changes) != 1 || r.Changes[0].Kind != KindDone {
		t.Fatalf("%+v", r)
	}
}

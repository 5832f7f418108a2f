package simulator_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"vidbell/internal/simulator"
)

func TestCallbacksReachARealReceiverOnLoopback(t *testing.T) {
	got := make(chan string, 1)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- r.Header.Get("Content-Type") + " " + string(body)
	}))
	defer receiver.Close()
	sim := newSimulator(t, nil)
	done := make(chan error)
	go func() { done <- sim.Run(t.Context()) }()
	sim.Add("default", simulator.Video{No: "VI1", Callback: receiver.URL})
	select {
	case line := <-got:
		equal(t, "callback", line, `application/json {"videoNo":"VI1","status":"PARSE"}`)
	case <-time.After(10 * time.Second):
		t.Error("no callback within 10 s")
	}
}

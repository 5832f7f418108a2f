package poller_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"go.uber.org/zap/zapcore"

	"vidbell/internal/simulator"
	"vidbell/poller"
)

func TestTroubleIsToldAfterThreeFailedTicksAndEndedByAGoodOne(t *testing.T) {
	faults := map[poller.Reason]simulator.Fault{
		"malformed":    {Kind: simulator.FaultHTML},
		"unavailable":  {Kind: simulator.FaultHTTP, HTTPStatus: 503},
		"not_found":    {Kind: simulator.FaultHTTP, HTTPStatus: 404},
		"network":      {Kind: simulator.FaultReset},
		"timeout":      {Kind: simulator.FaultHang},
		"bad_request":  {Kind: simulator.FaultCode, Code: "0003"},
		"unknown":      {Kind: simulator.FaultContradicted},
		"throttled":    {Kind: simulator.FaultCode, Code: "0429"},
		"too_large":    {Kind: simulator.FaultHuge},
		"unauthorized": {Kind: simulator.FaultCode, Code: "0401"},
		"credits":      {Kind: simulator.FaultCode, Code: "0402"},
		"disabled":     {Kind: simulator.FaultCode, Code: "0403"},
		"forbidden":    {Kind: simulator.FaultCode, Code: "9009"},
	}
	for reason, fault := range faults {
		t.Run(string(reason), func(t *testing.T) {
			inBubble(t, simulator.Options{}, func(w *world) {
				w.library("b:P", "a:P")
				r := w.start()
				fault.Times = -1
				w.fail(fault)
				w.is("a:R")
				w.pass(20 * time.Minute)
				want := "degraded " + string(reason)
				w.expectReports("in trouble", want)
				if s := r.status(); s.Degraded != reason || s.LastError == "" {
					t.Errorf("status %+v", s)
				}
				if n := w.counter("vidbell_source_degraded"); n != 1 {
					t.Errorf("metric shows %v", n)
				}
				w.expect("no news")
				w.sim.ClearFaults()
				w.pass(2 * time.Minute)
				w.expectReports("well", want, "recovered "+string(reason))
				w.expect("the news at last", "done a")
				rep := w.reports.all
				if len(rep) != 2 {
					return
				}
				if rep[0].Since > rep[0].At || rep[1].Since != rep[0].Since || rep[1].At <= rep[0].At || rep[0].Detail == "" {
					t.Errorf("reports %+v", rep)
				}
				warned := slices.DeleteFunc(w.lines(zapcore.WarnLevel), func(l string) bool { return l == "source degraded" })
				if len(warned) > 21 {
					t.Errorf("%d lines in 20 minutes: %q", len(warned), warned)
				}
			})
		})
	}
}

func TestTwoFailedTicksAreNoTrouble(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		w.library("a:P")
		w.start()
		for range 10 {
			w.fail(simulator.Fault{Kind: simulator.FaultReset, Times: 8})
			w.ticks(3)
		}
		w.expectReports("every third tick is fine")
	})
}

func TestARefusedKeyIsToldInTheMiddleOfAnotherTroubleOnce(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		w.library("a:P")
		w.start()
		w.fail(simulator.Fault{Kind: simulator.FaultReset, Times: -1})
		w.ticks(5)
		w.sim.ClearFaults()
		w.fail(simulator.Fault{Kind: simulator.FaultCode, Code: "0401", Times: -1})
		w.ticks(5)
		w.sim.ClearFaults()
		w.fail(simulator.Fault{Kind: simulator.FaultCode, Code: "0402", Times: -1})
		w.pass(5 * time.Minute)
		w.expectReports("first one, then the other", "degraded network", "degraded unauthorized")
		w.sim.ClearFaults()
		w.pass(2 * time.Minute)
		w.expectReports("well", "degraded network", "degraded unauthorized", "recovered unauthorized")
	})
}

func TestHealthIsToldOnceThroughRestarts(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		w.library("a:P")
		w.fail(simulator.Fault{Kind: simulator.FaultCode, Code: "0401", Times: -1})
		for range 4 {
			r := w.start()
			if s := r.status(); s.Degraded != "unauthorized" {
				t.Errorf("status shows %q", s.Degraded)
			}
			r.kill()
		}
		w.expectReports("four processes", "degraded unauthorized")
		w.sim.ClearFaults()
		for range 2 {
			r := w.start()
			w.ticks(1)
			r.kill()
		}
		w.expectReports("then well", "degraded unauthorized", "recovered unauthorized")
	})
}

func TestAReportWhoseAckIsLostIsNotToldTwice(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		w.library("a:P")
		w.start()
		w.reports.loseAck = true
		w.fail(simulator.Fault{Kind: simulator.FaultCode, Code: "0401", Times: -1})
		w.pass(5 * time.Minute)
		w.expectReports("stored, the ack lost", "degraded unauthorized")
		w.reports.mu.Lock()
		w.reports.loseAck = true
		w.reports.mu.Unlock()
		w.sim.ClearFaults()
		w.pass(5 * time.Minute)
		w.expectReports("the same for the end", "degraded unauthorized", "recovered unauthorized")
	})
}

func TestAReportThatCannotBeStoredIsToldLater(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		w.library("a:P")
		w.reports.fail(errAway)
		w.start()
		w.fail(simulator.Fault{Kind: simulator.FaultCode, Code: "0401", Times: -1})
		w.pass(10 * time.Minute)
		if n := len(w.lines(zapcore.WarnLevel)); n > 25 {
			t.Errorf("%d lines in ten minutes", n)
		}
		w.reports.fail(nil)
		w.pass(2 * time.Minute)
		w.expectReports("later", "degraded unauthorized")
		w.reports.fail(errAway)
		w.sim.ClearFaults()
		w.pass(2 * time.Minute)
		w.reports.fail(nil)
		w.pass(2 * time.Minute)
		w.expectReports("later too", "degraded unauthorized", "recovered unauthorized")
	})
}

func TestALastReportThatCannotBeReadDoesNotSilenceTheSource(t *testing.T) {
	inBubble(t, simulator.Options{}, func(w *world) {
		w.reports.fail(fmt.Errorf("%w: message 3", poller.ErrUnreadable))
		w.start()
		w.reports.fail(nil)
		w.fail(simulator.Fault{Kind: simulator.FaultCode, Code: "0401", Times: -1})
		w.ticks(2)
		w.expectReports("told", "degraded unauthorized")
	})
}

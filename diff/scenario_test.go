package diff

import (
	"testing"
	"time"
)

func TestScenarios(t *testing.T) {
	emit := Policy{Confirm: scriptStep, Emit: true}
	lag := Policy{Confirm: time.Second, Lag: 10 * time.Second}
	stalls := Policy{Confirm: scriptStep, StallAfter: 30 * time.Minute}
	for _, c := range []struct {
		name   string
		policy Policy
		text   string
	}{
		{"S01 the baseline is silent", scriptPolicy, `
			sweep [a:P b:R c:F]
			sweep [a:P b:R c:F]
		`},
		{"S02 the baseline announces what is settled, once and oldest first, when asked to", emit, `
			sweep [c:F b:R a:P] => v1 done(b) initial initial; v1 failed(c) initial initial
			sweep [a:P b:R c:F]
			sweep [a:R b:R c:F] => v1 done(a) moved from processing took 30s
		`},
		{"S03 a sweep that was cut short is no baseline", scriptPolicy, `
			see [a:R b:P]
			sweep [a:R b:P c:F d:R]
			sweep [a:R b:P c:F d:R e:P] => v1 processing(e) first_seen
		`},
		{"S03 a baseline that starts again announces nothing twice", emit, `
			see [a:R b:P]
			restart
			sweep [a:R b:P c:F d:R] => v1 done(a) initial initial; v1 failed(c) initial initial; v1 done(d) initial initial
			restart
			sweep [a:R b:P c:F d:R e:P] => v1 processing(e) first_seen
		`},
		{"S04 a new video is announced once", scriptPolicy, `
			sweep [a:R]
			sweep [b:P a:R] => v1 processing(b) first_seen
			sweep [b:P a:R]
			sweep [b:P a:R]
		`},
		{"S04 an empty baseline is a baseline", scriptPolicy, `
			sweep []
			sweep [b:P] => v1 processing(b) first_seen
			sweep [b:P]
			sweep [b:P]
		`},
		{"S05 done is announced once", scriptPolicy, `
			sweep [a:P]
			sweep [a:R] => v1 done(a) moved from processing took 15s
			sweep [a:R]
		`},
		{"S07 another cause or spelling of a failure is no change", scriptPolicy, `
			sweep [a:P]
			sweep [a:F(x)] => v1 failed(a) moved from processing took 15s cause x
			sweep [a:F(y)]
			sweep [a:F]
			sweep [a:FAIL]
			sweep [a:FAILED(z)]
			sweep [a:failed]
			sweep [a:Parse_Error]
			sweep [a:F]
		`},
		{"S08 a failed video that is processed again, twice seen, runs again", scriptPolicy, `
			sweep [a:F]
			sweep [a:P]
			sweep [a:P] => v1 processing(a) regressed from failed
			sweep [a:R] => v2 done(a) moved from processing took 30s
			sweep [a:R]
		`},
		{"S12 insertions and deletions during the walk shift the pages", scriptPolicy, `
			see [d:R c:P]
			sweep [b:R a:F]
			see [d:R c:P]
			see [c:P b:R]
			sweep [a:F]
			see [e:P d:R] => v1 processing(e) first_seen
			see [c:P b:R]
			sweep [a:F]
		`},
		{"S23 after an outage there is one net event a video", scriptPolicy, `
			sweep [a:P b:R]
			restart
			+10m sweep [a:R b:R c:P] => v1 done(a) moved from processing took 10m; v1 processing(c) first_seen
		`},
		{"S27 a stall is announced once, and the end tells how long it took", stalls, `
			sweep [a:P]
			+1m x30 see [a:P]
			+1m see [a:P] => v1 stalled(a) stalled from processing took 31m
			+1m x14 see [a:P]
			+1m see [a:R] => v2 done(a) moved from processing took 46m
			+1m x40 see [a:R]
		`},
		{"S27 while polls fail nothing stalls", stalls, `
			sweep [a:P]
			+1m x19 see [a:P]
			+21m see [a:P]
			+1m see [a:P] => v1 stalled(a) stalled from processing took 41m
			+4m see [a:R] => v2 done(a) moved from processing took 45m
		`},
		{"S38 the same again, in any order, is nothing", scriptPolicy, `
			sweep [a:P b:R c:F]
			sweep [c:F a:P b:R]
			sweep [b:R c:F a:P]
		`},
		{"R2 the same video twice in one page is one video, the furthest word counts", scriptPolicy, `
			sweep [b:R]
			see [a:P a:R a:P] => v1 done(a) finished_seen
			see [a:R a:P]
			+1m see [a:P a:R]
			+1m see [a:R]
		`},
		{"R2 the same video twice in one sweep is one video, the later sighting counts", scriptPolicy, `
			sweep [b:R a:P]
			see [a:P@-2s a:R] => v1 done(a) moved from processing took 15s
		`},
		{"R5 an observation that began before the last change is ignored", scriptPolicy, `
			sweep [a:P]
			see [a:R] => v1 done(a) moved from processing took 15s
			see [a:P@-20s]
			see [a:P]
			see [a:R]
		`},
		{"R5 done to failed needs confirmation", scriptPolicy, `
			sweep [a:P]
			see [a:R] => v1 done(a) moved from processing took 15s
			see [a:F(x)]
			see [a:F(x)] => v2 failed(a) corrected from done cause x
			see [a:R]
			see [a:R] => v3 done(a) corrected from failed
		`},
		{"R5 two observations closer than a poll interval may come from one replica", scriptPolicy, `
			sweep [a:P]
			see [a:R] => v1 done(a) moved from processing took 15s
			see [a:F]
			+1s see [a:F]
			+13s see [a:F]
			+1s see [a:F] => v2 failed(a) corrected from done
		`},
		{"R5 a lagging replica that flaps confirms nothing", scriptPolicy, `
			sweep [a:P]
			see [a:R] => v1 done(a) moved from processing took 15s
			see [a:P]
			see [a:R]
			see [a:P]
			see [a:F]
			see [a:P]
			see [a:R]
		`},
		{"R5 what contradicts within one cycle counts, in either order", scriptPolicy, `
			sweep [a:R b:R]
			see [a:P@-2s a:R]
			see [a:P b:P@-2s b:R]
			see [a:R b:P]
			see [a:P@-2s b:R]
		`},
		{"R5 an older listing of an unmoved video contradicts too", scriptPolicy, `
			sweep [a:R]
			see [a:P]
			see [a:R@-2s a:P]
			+14s see [a:P]
			+1s see [a:P] => v1 processing(a) regressed from done
		`},
		{"R5 what a replica may not know yet is not doubted", lag, `
			sweep [a:P]
			see [a:R] => v1 done(a) moved from processing took 15s
			+1s x9 see [a:P]
			+1s see [a:R]
			+1s x10 see [a:R]
			+1s see [a:P]
			+1s see [a:P] => v2 processing(a) regressed from done
		`},
		{"R5 what the baseline showed may move back at once", lag, `
			sweep [a:F]
			+1s see [a:P]
			+1s see [a:P] => v1 processing(a) regressed from failed
			+1s see [a:R] => v2 done(a) moved from processing took 2s
		`},
		{"R5 a replica that is seen to lag confirms nothing and opens nothing", scriptPolicy, `
			sweep [a:R b:P]
			see [a:P b:P]
			x3 lagging [a:P b:P]
			see [a:R b:P]
			lagging [a:P b:P c:P] => v1 processing(c) first_seen
			see [a:P b:P c:P]
			lagging [a:P b:R c:P] => v1 done(b) moved from processing took 2m
			see [a:P] => v1 processing(a) regressed from done
		`},
		{"R5 a confirmation that was open is lost by a restart, no more", scriptPolicy, `
			sweep [a:R]
			see [a:P]
			restart
			see [a:P]
			see [a:P] => v1 processing(a) regressed from done
		`},
		{"R6 what came and finished between two polls is announced", scriptPolicy, `
			sweep [a:P]
			see [a:P b:R c:F(x)] => v1 done(b) finished_seen; v1 failed(c) finished_seen cause x
		`},
		{"R6 what an empty baseline should have shown is learnt late, in silence", scriptPolicy, `
			sweep []
			see [a:R#old b:F#old c:R d:P#old e:R#none] => v1 done(c) finished_seen; v1 processing(d) first_seen; v1 done(e) finished_seen
			restart
			see [f:R#old a:R#old]
			see [a:P#old b:F#old d:R#old] => v2 done(d) moved from processing took 30s
			see [a:P#old] => v1 processing(a) regressed from done
			see [a:R#old] => v2 done(a) moved from processing took 30s
		`},
		{"R6 what an empty baseline should have announced is announced late", emit, `
			sweep []
			see [a:R#old b:R] => v1 done(a) initial initial; v1 done(b) finished_seen
			see [a:R#old b:R]
		`},
		{"R6 a baseline that showed something is believed", scriptPolicy, `
			sweep [a:R]
			see [a:R b:R#old] => v1 done(b) finished_seen
		`},
		{"R6 an empty baseline by a clock that was ahead makes nothing old", scriptPolicy, `
			sweep []
			clock -1h
			see [b:R#old] => v1 done(b) finished_seen
		`},
		{"R6 what moves while the baseline is walked is announced, even in silence", scriptPolicy, `
			see [a:P b:P]
			see [a:R] => v1 done(a) moved from processing took 15s
			sweep [a:R b:P]
			sweep [a:R b:P]
		`},
		{"R6 the baseline announces no second time what moved while it was walked", emit, `
			see [a:P b:R]
			see [a:R c:F] => v1 done(a) moved from processing took 15s
			sweep [b:R] => v1 done(b) initial initial; v1 failed(c) initial initial
		`},
		{"R6 a page that lists a video twice is no move", scriptPolicy, `
			sweep [b:P a:P a:R]
		`},
		{"R7 a deleted id that is seen again starts anew", scriptPolicy, `
			sweep [a:P b:R c:R]
			gone a
			gone b
			see [a:P b:R] => v2 processing(a) returned from deleted; v2 done(b) returned from deleted
			see [a:R b:R] => v3 done(a) moved from processing took 15s
			gone c
			restart
			see [c:F] => v2 failed(c) returned from deleted
		`},
		{"R7 a deleted video is not brought back by a listing that began before", scriptPolicy, `
			sweep [a:P]
			gone a
			see [a:P@-20s]
			see [a:P] => v2 processing(a) returned from deleted
		`},
		{"R7 a live id with another creation time, twice seen, starts anew", scriptPolicy, `
			sweep [a:P]
			+1m see [a:P#new]
			see [a:P#new] => v1 deleted(a) replaced from processing took 1m15s; v2 processing(a) replaced from deleted
			see [a:R#new] => v3 done(a) moved from processing took 15s
			see [a:R#new]
		`},
		{"R7 a creation time that is missing, or comes late, replaces nothing", scriptPolicy, `
			sweep [a:P#none b:P]
			see [a:P b:P#none]
			see [a:P b:P#none]
			see [a:R b:R#none] => v1 done(a) moved from processing took 45s; v1 done(b) moved from processing took 45s
		`},
		{"R7 a replacement is doubted until two sightings agree on the new creation time", scriptPolicy, `
			sweep [a:R]
			see [a:R#new]
			see [a:R]
			see [a:R#new]
			see [a:R#old]
			see [a:R#new]
			see [a:R#none]
			see [a:R#new] => v1 deleted(a) replaced from done; v2 done(a) replaced from deleted
		`},
		{"R11 each run may stall once", stalls, `
			sweep []
			see [a:P] => v1 processing(a) first_seen
			+30m see [a:P]
			+1s see [a:P] => v2 stalled(a) stalled from processing took 30m1s
			+1h x3 see [a:P]
			see [a:F] => v3 failed(a) moved from processing took 3h30m16s
			see [a:P]
			see [a:P] => v4 processing(a) regressed from failed
			+29m59s see [a:P]
			+1s see [a:P]
			+1s see [a:P] => v5 stalled(a) stalled from processing took 30m16s
		`},
		{"R11 a restart puts a stall off by one sighting, and repeats none", stalls, `
			sweep [a:P]
			+30m see [a:P]
			restart
			see [a:P]
			see [a:P] => v1 stalled(a) stalled from processing took 30m30s
			restart
			+1h x3 see [a:P]
		`},
		{"R11 one observation is not judged twice", stalls, `
			sweep [a:P]
			+30m see [a:P a:P]
			+1s see [a:P] => v1 stalled(a) stalled from processing took 30m1s
		`},
		{"R11 the first of a pair that another run left does not count", stalls, `
			sweep [a:P b:P]
			+30m see [a:P@-1s a:R b:P] => v1 done(a) moved from processing took 30m
			see [a:P b:R] => v1 done(b) moved from processing took 30m15s
			see [a:P b:P] => v2 processing(a) regressed from done
			see [b:P] => v2 processing(b) regressed from done
			+31m see [a:P b:P]
			see [a:P b:P] => v3 stalled(a) stalled from processing took 31m45s; v3 stalled(b) stalled from processing took 31m30s
		`},
		{"R12 a clock that jumps back makes no duration negative", stalls, `
			sweep []
			see [a:P] => v1 processing(a) first_seen
			clock -1h
			see [a:P]
			see [a:R] => v2 done(a) moved from processing
			+2h see [a:R]
		`},
		{"R12 a name, a creation time that becomes known, or a cause alone is no event", scriptPolicy, `
			sweep [a:P#none b:R#none]
			see [a:P(x) b:R(y)]
			see [a:P b:R]
		`},
	} {
		t.Run(c.name, func(t *testing.T) { onEveryVocabulary(t, c.policy, c.text) })
	}
}

func TestWordsThatDependOnEvidence(t *testing.T) {
	stalls := Policy{Confirm: scriptStep, StallAfter: 30 * time.Minute}
	emit := Policy{Confirm: scriptStep, Emit: true}
	for _, c := range []struct {
		name   string
		policy Policy
		text   string
	}{
		{"without evidence PARSE is held as processing, and never announced for the baseline", scriptPolicy, `
			sweep [a:PARSE]
			see [a:PARSE b:PARSE] => v1 processing(b) first_seen
			+10h see [a:PARSE b:PARSE]
		`},
		{"a DONE says that PARSE is processing", scriptPolicy, `
			sweep [a:PARSE]
			see [b:DONE] => v1 done(b) finished_seen
			see [c:PARSE] => v1 processing(c) first_seen
			see [c:DONE a:DONE] => v1 done(a) moved from processing took 45s; v2 done(c) moved from processing took 15s
		`},
		{"a DONE says so even beside an UNPARSE, a FAIL and an old PARSE", scriptPolicy, `
			sweep [a:UNPARSE b:FAIL c:PARSE#old d:DONE]
			see [e:PARSE] => v1 processing(e) first_seen
		`},
		{"an UNPARSE says that PARSE is done: the held are announced at once, but not those of the baseline", scriptPolicy, `
			sweep [a:PARSE]
			see [b:PARSE] => v1 processing(b) first_seen
			see [d:PARSE c:PARSE] => v1 processing(c) first_seen; v1 processing(d) first_seen
			see [e:UNPARSE] => v1 processing(e) first_seen; v2 done(b) inferred from processing; v2 done(c) inferred from processing; v2 done(d) inferred from processing
			see [a:PARSE b:PARSE c:PARSE d:PARSE e:UNPARSE f:PARSE] => v1 done(f) finished_seen
		`},
		{"a FAIL says that PARSE is done", scriptPolicy, `
			sweep [a:PARSE]
			see [b:PARSE] => v1 processing(b) first_seen
			see [c:FAIL(x)] => v1 failed(c) finished_seen cause x; v2 done(b) inferred from processing
		`},
		{"FAILED and PARSE_ERROR say nothing about PARSE", scriptPolicy, `
			sweep [a:FAILED b:PARSE_ERROR c:ERROR]
			see [d:PARSE] => v1 processing(d) first_seen
		`},
		{"a video older than a day in PARSE says that PARSE is done", scriptPolicy, `
			sweep [a:PARSE#new]
			see [b:PARSE] => v1 processing(b) first_seen
			see [c:PARSE#old] => v1 done(c) finished_seen; v2 done(b) inferred from processing
		`},
		{"a video that grows older than a day in PARSE says so too, the baseline's as well", scriptPolicy, `
			sweep [a:PARSE]
			see [b:PARSE] => v1 processing(b) first_seen
			+22h59m see [a:PARSE b:PARSE]
			+1m see [a:PARSE] => v2 done(b) inferred from processing
		`},
		{"a video without creation time is as old as we know it", scriptPolicy, `
			sweep []
			see [a:PARSE#none] => v1 processing(a) first_seen
			+24h see [a:PARSE#none]
			+1s see [a:PARSE#none] => v2 done(a) inferred from processing
		`},
		{"a deleted video's age is not its successor's", scriptPolicy, `
			sweep [a:PARSE]
			gone a
			+30h see [a:PARSE#none] => v2 processing(a) returned from deleted
		`},
		{"evidence of the same page counts, whatever the order", scriptPolicy, `
			sweep []
			see [a:PARSE b:UNPARSE] => v1 done(a) finished_seen; v1 processing(b) first_seen
		`},
		{"evidence of the baseline counts, whatever the page", emit, `
			see [a:PARSE b:FAILED]
			see [c:PARSE]
			sweep [d:UNPARSE] => v1 done(a) initial initial; v1 failed(b) initial initial; v1 done(c) initial initial
		`},
		{"the baseline announces no PARSE that is held, not even later", emit, `
			sweep [a:PARSE b:FAILED] => v1 failed(b) initial initial
			see [a:PARSE c:UNPARSE] => v1 processing(c) first_seen
			see [a:PARSE c:PARSE] => v2 done(c) moved from processing took 15s
		`},
		{"PARSE after UNPARSE is done at once, whatever the evidence", scriptPolicy, `
			sweep [a:DONE b:UNPARSE]
			see [b:PARSE c:UNPARSE] => v1 done(b) moved from processing took 15s; v1 processing(c) first_seen
			see [c:PARSE] => v2 done(c) moved from processing took 15s
			see [b:PARSE c:PARSE]
		`},
		{"PARSE after PENDING is what the evidence says", scriptPolicy, `
			sweep [a:DONE b:PENDING]
			see [b:PARSE]
			see [b:DONE] => v1 done(b) moved from processing took 30s
		`},
		{"UNPARSE that came after another working word is remembered, even by a restart", scriptPolicy, `
			sweep [a:DONE b:PENDING]
			see [b:UNPARSE]
			restart
			see [b:PARSE] => v1 done(b) moved from processing took 30s
		`},
		{"UNPARSE, PARSE, DONE is one event", scriptPolicy, `
			sweep [a:UNPARSE]
			see [a:PARSE] => v1 done(a) moved from processing took 15s
			see [a:DONE]
			restart
			see [a:DONE]
		`},
		{"UNPARSE, PARSE, DONE is one event for a new video too", scriptPolicy, `
			sweep []
			see [a:UNPARSE] => v1 processing(a) first_seen
			see [a:PARSE] => v2 done(a) moved from processing took 15s
			see [a:DONE]
			see [a:DONE]
		`},
		{"UNPARSE, PARSE, FAILED is done, then failed once confirmed", scriptPolicy, `
			sweep [a:UNPARSE]
			see [a:PARSE] => v1 done(a) moved from processing took 15s
			see [a:FAILED(x)]
			see [a:FAILED(x)] => v2 failed(a) corrected from done cause x
		`},
		{"back to processing and done again is the next event", scriptPolicy, `
			sweep [a:UNPARSE]
			see [a:PARSE] => v1 done(a) moved from processing took 15s
			see [a:UNPARSE]
			see [a:UNPARSE] => v2 processing(a) regressed from done
			see [a:PARSE] => v3 done(a) moved from processing took 30s
		`},
		{"a raw move into DONE of a baseline video in PARSE is announced", scriptPolicy, `
			sweep [a:PARSE]
			see [a:DONE] => v1 done(a) moved from processing took 15s
			see [a:DONE]
		`},
		{"so is a raw move into DONE of one that was taken for done", scriptPolicy, `
			sweep [a:PARSE b:PARSE c:UNPARSE d:PARSE#old]
			see [a:DONE] => v1 done(a) moved from processing
			see [b:PARSE c:PARSE d:PARSE#old] => v1 done(c) moved from processing took 30s
			see [b:DONE] => v1 done(b) moved from processing
		`},
		{"so is a raw move into FAILED", scriptPolicy, `
			sweep [a:PARSE b:UNPARSE]
			see [a:FAILED(x)] => v1 failed(a) unannounced from done cause x
			see [a:FAILED(x)]
		`},
		{"the first DONE of an old library in PARSE is one event", stalls, `
			sweep [a:PARSE#old b:PARSE#old c:PARSE d:PARSE]
			see [a:PARSE#old b:DONE#old c:PARSE d:PARSE] => v1 done(b) moved from processing
			+1h x5 see [a:PARSE#old b:DONE#old c:PARSE d:PARSE]
			restart
			+1h x5 see [a:PARSE#old b:DONE#old c:PARSE d:PARSE]
			see [c:DONE] => v1 done(c) moved from processing
		`},
		{"a flip starts no stall clock, but a run that is seen to begin has one", stalls, `
			sweep [a:PARSE b:UNPARSE]
			see [c:DONE] => v1 done(c) finished_seen
			see [d:PARSE] => v1 processing(d) first_seen
			+31m see [a:PARSE b:UNPARSE d:PARSE]
			see [a:PARSE b:UNPARSE d:PARSE] => v1 stalled(b) stalled from processing took 31m45s; v2 stalled(d) stalled from processing took 31m15s
		`},
		{"a flip within the baseline is no flip: what is processing was so all along", stalls, `
			see [a:PARSE b:PARSE#old]
			sweep [c:DONE]
			+31m see [a:PARSE b:PARSE#old]
			see [a:PARSE b:PARSE#old] => v1 stalled(a) stalled from processing took 31m30s
			see [a:DONE] => v2 done(a) moved from processing took 31m45s
		`},
		{"what was announced as done stays done when PARSE comes to mean processing", scriptPolicy, `
			sweep [a:UNPARSE]
			see [b:PARSE] => v1 done(b) finished_seen
			see [c:DONE] => v1 done(c) finished_seen
			see [b:PARSE]
			see [b:PARSE]
			see [b:DONE]
		`},
		{"a held video that turns out to be UNPARSE is not done", scriptPolicy, `
			sweep []
			see [a:PARSE] => v1 processing(a) first_seen
			see [a:UNPARSE]
			see [a:PARSE] => v2 done(a) moved from processing took 30s
		`},
		{"a held video of the baseline that turns to UNPARSE was done, and runs again", scriptPolicy, `
			sweep [a:PARSE]
			see [a:UNPARSE]
			see [a:UNPARSE] => v1 processing(a) regressed from done
			see [a:PARSE] => v2 done(a) moved from processing took 30s
		`},
		{"a held video may stall, and is done when evidence says so", stalls, `
			sweep []
			see [a:PARSE] => v1 processing(a) first_seen
			+30m see [a:PARSE]
			see [a:PARSE] => v2 stalled(a) stalled from processing took 30m15s
			see [b:UNPARSE] => v1 processing(b) first_seen; v3 done(a) inferred from processing
		`},
		{"a baseline video that is older than a day never stalls", stalls, `
			sweep [b:UNPARSE a:FAIL#old c:UNPARSE#none]
			+20h see [b:UNPARSE]
			see [b:UNPARSE] => v1 stalled(b) stalled from processing took 20h0m15s
			+1h see [a:UNPARSE#old c:UNPARSE#none]
			see [a:UNPARSE#old c:UNPARSE#none] => v1 processing(a) regressed from failed
			+31m see [a:UNPARSE#old c:UNPARSE#none]
			see [a:UNPARSE#old c:UNPARSE#none] => v2 stalled(a) stalled from processing took 31m30s
		`},
		{"an unknown word behaves as processing", stalls, `
			sweep [a:WAITING]
			see [a:WAITING b:QUEUED] => v1 processing(b) first_seen
			see [a:DONE b:THINKING] => v1 done(a) moved from unknown took 30s
			see [b:PENDING]
			+30m see [b:PENDING]
			see [b:PENDING] => v2 stalled(b) stalled from unknown took 30m45s
			see [b:FAILED] => v3 failed(b) moved from unknown took 31m
			see [b:THINKING]
			see [b:QUEUED] => v4 processing(b) regressed from failed
		`},
		{"empty and null are processing, and case and space do not matter", scriptPolicy, `
			sweep [a: b:null c:Unparse]
			see [a:null b: c:UNPARSE]
			see [a:done b:Failed c:parse] => v1 done(a) moved from processing took 30s; v1 failed(b) moved from processing took 30s; v1 done(c) moved from processing took 30s
		`},
	} {
		t.Run(c.name, func(t *testing.T) { script{policy: c.policy, text: c.text}.run(t) })
	}
}

func TestWordsByConfiguration(t *testing.T) {
	mustWords := func(done, failed, processing []string, rule ParseRule) Words {
		w, err := NewWords(done, failed, processing, rule)
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	stalls := Policy{Confirm: scriptStep, StallAfter: 30 * time.Minute}
	for _, c := range []struct {
		name  string
		words Words
		text  string
	}{
		{"PARSE is done by rule, whatever is seen", mustWords(nil, nil, nil, ParseDone), `
			sweep [a:PARSE b:PENDING c:DONE]
			see [b:PARSE d:PARSE] => v1 done(b) moved from processing took 15s; v1 done(d) finished_seen
			see [a:DONE b:DONE] => v1 done(a) unannounced from done
		`},
		{"PARSE is processing by rule, whatever is seen, after UNPARSE too", mustWords(nil, nil, nil, ParseProcessing), `
			sweep [a:UNPARSE b:PARSE#old c:FAIL]
			see [a:PARSE b:PARSE#old d:PARSE] => v1 processing(d) first_seen
			see [a:DONE] => v1 done(a) moved from processing took 30s
		`},
		{"lists replace the built-in words", mustWords([]string{"ready", " Ok "}, []string{"BAD"}, []string{"WORK"}, ParseAuto), `
			sweep [a:WORK b:WORK c:WORK]
			see [a:READY b:bad c:PENDING] => v1 done(a) moved from processing took 15s; v1 failed(b) moved from processing took 15s
			see [a:OK b:BAD c:FAILED]
			see [c:ok] => v1 done(c) moved from unknown took 45s
		`},
		{"a DONE that no list knows still tells the vocabulary", mustWords([]string{"READY"}, nil, nil, ParseAuto), `
			sweep [a:UNPARSE]
			see [b:DONE] => v1 processing(b) first_seen
			see [c:PARSE] => v1 processing(c) first_seen
		`},
		{"a rule changed to done announces what was announced as processing, when it is seen", DefaultWords(), `
			sweep [a:PARSE]
			see [b:PARSE c:PARSE] => v1 processing(b) first_seen; v1 processing(c) first_seen
			restart done
			see [a:PARSE b:PARSE] => v2 done(b) inferred from processing
			see [c:DONE] => v2 done(c) moved from processing took 30s
		`},
		{"a rule changed to processing takes nothing back and starts no stall clock", mustWords(nil, nil, nil, ParseDone), `
			sweep [a:PARSE#old]
			see [b:PARSE] => v1 done(b) finished_seen
			restart processing
			+1h x3 see [a:PARSE#old b:PARSE]
			see [a:DONE#old b:DONE] => v1 done(a) moved from processing
		`},
		{"what was in flight at the baseline and has moved is announced when its word comes to mean done", DefaultWords(), `
			sweep [a:PROCESSING b:PENDING c:FINISHED d:PROCESSING]
			see [a:FINISHED b:PARSE d:WAITING]
			words DONE,FINISHED
			see [a:FINISHED b:PARSE c:FINISHED d:WAITING] => v1 done(a) inferred from unknown
			see [e:UNPARSE] => v1 processing(e) first_seen; v1 done(b) inferred from processing
			see [a:FINISHED b:PARSE c:FINISHED d:WAITING]
			restart
			see [a:FINISHED b:PARSE c:FINISHED d:WAITING]
			see [d:FINISHED] => v1 done(d) moved from unknown took 1m30s
		`},
		{"what has moved before the words changed is announced wherever it went next", DefaultWords(), `
			sweep [a:PENDING b:PENDING]
			see [a:FINISHED b:FINISHED]
			words DONE,FINISHED
			see [a:DONE b:PENDING] => v1 done(a) moved from unknown took 30s
			see [b:FINISHED] => v1 done(b) moved from processing took 45s
		`},
		{"a library that sits in a word is no news when the word comes to mean done", DefaultWords(), `
			sweep [a:FINISHED b:FINISHED c:PARSE]
			words DONE,FINISHED
			see [a:FINISHED b:FINISHED c:PARSE d:UNPARSE] => v1 processing(d) first_seen
			restart done
			see [a:FINISHED b:FINISHED c:PARSE]
		`},
		{"what was told by a change of words is told once, though the words change back and forth", DefaultWords(), `
			sweep [a:PENDING]
			see [a:FINISHED]
			words DONE,FINISHED
			see [a:FINISHED] => v1 done(a) inferred from unknown
			words DONE
			see [a:FINISHED]
			words DONE,FINISHED
			see [a:FINISHED]
		`},
		{"what stood done at the baseline owes nothing, though it moved from one done word to another", mustWords([]string{"READY"}, nil, nil, ParseDone), `
			sweep [a:READY]
			see [a:PARSE]
			restart processing
			see [a:PARSE]
			restart done
			see [a:PARSE]
		`},
	} {
		t.Run(c.name, func(t *testing.T) { script{policy: stalls, words: c.words, text: c.text}.run(t) })
	}
}

// A clock that was ahead leaves times in the future, in the log and in memory.
func TestClocksThatJump(t *testing.T) {
	stalls := Policy{Confirm: scriptStep, StallAfter: 30 * time.Minute}
	for _, c := range []struct {
		name   string
		policy Policy
		text   string
	}{
		{"what was seen by a clock that was ahead is not deaf when the clock is set right", scriptPolicy, `
			sweep []
			see [a:P b:P] => v1 processing(a) first_seen; v1 processing(b) first_seen
			clock -2h
			see [a:R b:P] => v2 done(a) moved from processing
			see [a:R b:F] => v2 failed(b) moved from processing
			+3h see [a:R b:F]
		`},
		{"nor is it after a restart", scriptPolicy, `
			sweep [c:P]
			see [a:P c:P] => v1 processing(a) first_seen
			restart
			+-2h see [a:R c:R] => v2 done(a) moved from processing; v1 done(c) moved from processing
			restart
			see [a:R c:R]
			see [a:P c:R]
			see [a:P c:R] => v3 processing(a) regressed from done
			see [a:R c:R] => v4 done(a) moved from processing
		`},
		{"a run that began under a right clock has its length, whatever came between", scriptPolicy, `
			sweep []
			see [a:P] => v1 processing(a) first_seen
			clock 2h
			see [a:P]
			clock -2h
			see [a:R] => v2 done(a) moved from processing took 30s
		`},
		{"an observation that began before the last change is ignored under a clock that went back, too", scriptPolicy, `
			sweep []
			see [a:P] => v1 processing(a) first_seen
			clock -2h
			see [a:R] => v2 done(a) moved from processing
			see [a:P@-20s]
			see [a:P]
			see [a:R]
		`},
		{"a video that was deleted by a clock that was ahead may return", scriptPolicy, `
			sweep [a:P b:R]
			gone a
			clock -2h
			see [a:P] => v2 processing(a) returned from deleted
			see [a:R] => v3 done(a) moved from processing
		`},
		{"a doubt is confirmed by time that went by, not by a clock that was set", scriptPolicy, `
			sweep [a:R b:R]
			see [a:P]
			clock 2h
			+1s see [a:P b:P]
			+13s see [a:P]
			+1s see [a:P b:P] => v1 processing(a) regressed from done
			clock -2h
			+1s see [b:P]
			+14s see [b:P] => v1 processing(b) regressed from done
		`},
		{"a clock that is set starts stall clocks anew, and ends none for good", stalls, `
			sweep [a:P]
			see [a:P]
			clock 2h
			+1m x29 see [a:P]
			+1m see [a:P]
			+1m see [a:P] => v1 stalled(a) stalled from processing took 2h31m15s
			sweep [b:P] => v1 processing(b) first_seen
			clock -5h
			+1m x30 see [b:P]
			+1m see [b:P] => v2 stalled(b) stalled from processing took 31m
			see [b:R] => v3 done(b) moved from processing
		`},
		{"a stall of a run from the future waits for its time after a restart, too", stalls, `
			sweep []
			see [a:P] => v1 processing(a) first_seen
			restart
			+-48h see [a:P]
			+30m see [a:P]
			+1s see [a:P] => v2 stalled(a) stalled from processing took 30m1s
		`},
		{"what was seen by a clock that was ahead may be missed", scriptPolicy, `
			sweep [a:P b:R]
			clock -2h
			walk [a:P]
			walk [a:P] => v1 deleted(b) gone from done
		`},
		{"what changed under a clock that was ahead may be missed after a restart", scriptPolicy, `
			sweep [a:P]
			see [a:P b:R] => v1 done(b) finished_seen
			restart
			+-2h walk [a:P]
			walk [a:P] => v2 deleted(b) gone from done
		`},
		{"a miss before the clock was set back is ended by a sighting after it", scriptPolicy, `
			sweep [a:P b:R]
			walk [a:P]
			clock -2h
			see [b:R]
			walk [a:P]
			walk [a:P] => v1 deleted(b) gone from done
		`},
		{"sweeps that must be apart are so by time that went by", Policy{Confirm: scriptStep, Agree: 10 * time.Minute}, `
			sweep [a:P b:P]
			walk []
			walk [] => held all 2 agreed 0
			clock 2h
			walk []
			+10m walk [] => held all 2 agreed 1
			clock -2h
			walk []
			+10m walk [] => held all 2 agreed 2
			+10m walk [] => v1 deleted(a) gone from processing took 31m1s; v1 deleted(b) gone from processing took 31m1s; held none
		`},
	} {
		t.Run(c.name, func(t *testing.T) { onEveryVocabulary(t, c.policy, c.text) })
	}
}

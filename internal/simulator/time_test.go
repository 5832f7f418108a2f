package simulator_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vidbell/internal/simulator"
)

const second = time.Second

// list asks in process and returns the answer; it works in a bubble.
func list(t *testing.T, sim *simulator.Simulator, body string) page {
	t.Helper()
	text, _, err := roundTrip(context.Background(), sim, body)
	if err != nil {
		t.Fatal(err)
	}
	var p page
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		t.Fatalf("decode %s: %v", text, err)
	}
	return p
}

func roundTrip(ctx context.Context, sim *simulator.Simulator, body string) (string, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://platform"+simulator.ListPath, strings.NewReader(body))
	if err != nil {
		return "", nil, err
	}
	req.Header.Set("Authorization", key)
	res, err := (&http.Client{Transport: sim.RoundTripper()}).Do(req)
	if err != nil {
		return "", nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return string(text), res.Header, err
}

func statusOf(t *testing.T, sim *simulator.Simulator, no string) any {
	t.Helper()
	videos := list(t, sim, `{"video_no":"`+no+`"}`).Data.Videos
	if len(videos) == 0 {
		return "gone"
	}
	return videos[0]["status"]
}

func TestALifeIsPlayedByTheClock(t *testing.T) {
	for _, words := range simulator.EveryWords() {
		t.Run("in the words "+words.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim := newSimulator(t, func(o *simulator.Options) { o.Words = words })
				no := sim.Add("default", simulator.Video{Life: []simulator.Step{
					{After: 10 * second, Raw: words.Done},
					{After: 5 * second, Raw: words.Processing},
					{Raw: "UNSEEN"},
					{Raw: words.Failed, Cause: "codec"},
					{After: 5 * second, Delete: true},
				}})
				var seen []any
				for range 5 {
					seen = append(seen, statusOf(t, sim, no))
					time.Sleep(5 * second)
				}
				equal(t, "seen", seen, []string{words.Processing, words.Processing, words.Done, words.Failed, "gone"})
			})
		})
	}
}

func TestAnInstantLifeIsOverBeforeAnybodyLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulator(t, nil)
		equal(t, "status", statusOf(t, sim, sim.Add("default", simulator.Video{Life: []simulator.Step{{Raw: "PARSE"}}})), "PARSE")
	})
}

func TestANewLifeReplacesTheOldOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulator(t, nil)
		no := sim.Add("default", simulator.Video{Life: []simulator.Step{{After: second, Raw: "FAILED"}}})
		sim.SetLife("default", no, simulator.Step{After: 2 * second, Raw: "PARSE"})
		time.Sleep(second)
		equal(t, "at the end of the old life", statusOf(t, sim, no), "UNPARSE")
		time.Sleep(second)
		equal(t, "at the end of the new life", statusOf(t, sim, no), "PARSE")
	})
}

func TestAReuploadIsANewVideoUnderTheSameID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulator(t, nil)
		no := sim.Add("default", simulator.Video{Raw: "PARSE", Life: []simulator.Step{{After: second, Delete: true}}})
		before, _ := sim.Get("default", no)
		time.Sleep(second / 2)
		sim.Add("default", simulator.Video{No: no})
		time.Sleep(second)
		after, ok := sim.Get("default", no)
		if !ok || !after.CreatedAt.After(before.CreatedAt) || after.Raw != "UNPARSE" || sim.Len("default") != 1 {
			t.Errorf("got %+v, %v of %d", after, ok, sim.Len("default"))
		}
	})
}

func TestAStaleReplicaShowsTheLibraryAsItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulator(t, nil)
		a := sim.Add("default", simulator.Video{Life: []simulator.Step{{After: 10 * second, Raw: "PARSE"}}})
		b := sim.Add("default", simulator.Video{Life: []simulator.Step{{After: 20 * second, Delete: true}}})
		time.Sleep(30 * second)
		c := sim.Add("default", simulator.Video{})
		equal(t, "now", list(t, sim, `{}`).nos(), []string{c, a})

		fail(t, sim, simulator.Fault{Kind: simulator.FaultStale, Age: 15 * second})
		p := list(t, sim, `{}`)
		equal(t, "15 s ago", p.nos(), []string{b, a})
		equal(t, "total 15 s ago", p.Data.TotalCount, "2")
		equal(t, "a 15 s ago", p.Data.Videos[1]["status"], "PARSE")

		fail(t, sim, simulator.Fault{Kind: simulator.FaultStale, AsOf: time.Now().Add(-25 * second)})
		equal(t, "a 25 s ago", list(t, sim, `{}`).Data.Videos[1]["status"], "UNPARSE")
		equal(t, "now again", list(t, sim, `{}`).nos(), []string{c, a})
	})
}

func TestIDsAreSnowflakesInOrderOfCreation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulator(t, nil)
		var nos []string
		for i := range 100 {
			nos = append(nos, sim.Add("default", simulator.Video{}))
			time.Sleep(time.Duration(i%2) * time.Millisecond)
		}
		if !slices.IsSorted(nos) || len(slices.Compact(nos)) != 100 {
			t.Error("ids are not in order of creation")
		}
		slices.Reverse(nos)
		equal(t, "served newest first", list(t, sim, `{"size":200}`).nos(), nos)
	})
}

func TestTheQuotaIsATokenBucketPerAccount(t *testing.T) {
	for _, c := range []struct {
		name   string
		form   simulator.ThrottleForm
		status int
		want   string
	}{
		{"0429 in a 200", simulator.ThrottleCode, 200, `{"code":"0429","msg":"Request has exceeded the limit."}`},
		{"HTTP 429", simulator.ThrottleHTTP, 429, `"error":"Too Many Requests"`},
		{"an integer 429 in a 200", simulator.ThrottleInteger, 200, `{"code":429,"msg":"Request has exceeded the limit."}`},
		{"only the text tells", simulator.ThrottleText, 200, `{"code":"0001","msg":"Request has exceeded the limit.","data":null`},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim := newSimulator(t, func(o *simulator.Options) {
					o.QuotaPerSecond, o.Throttle, o.RetryAfter = 2, c.form, 1500*time.Millisecond
				})
				var throttled []bool
				for range 4 {
					text, header, err := roundTrip(t.Context(), sim, `{}`)
					if err != nil {
						t.Fatal(err)
					}
					refused := strings.Contains(text, c.want)
					if refused != (header.Get("Retry-After") == "2") {
						t.Errorf("Retry-After %q with %s", header.Get("Retry-After"), text)
					}
					throttled = append(throttled, refused)
					if len(throttled) == 3 {
						time.Sleep(second / 2)
					}
				}
				equal(t, "throttled", throttled, []bool{false, false, true, false})
				equal(t, "counted", sim.Counts().Throttled, 1)
				if r := sim.Requests()[2]; r.HTTPStatus != c.status || !r.Throttled {
					t.Errorf("logged %+v", r)
				}
			})
		})
	}
}

func TestKeysOfOneAccountShareItsQuotaAndOthersHaveTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sim := newSimulator(t, func(o *simulator.Options) {
			o.Keys = []string{"a1", "a2", "b"}
			o.Accounts = map[string]string{"a1": "a", "a2": "a"}
			o.QuotaPerSecond = 1
		})
		for _, k := range []string{"a1", "a2", "b"} {
			req, err := http.NewRequest(http.MethodPost, "http://platform"+simulator.ListPath, strings.NewReader(`{}`))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", k)
			if _, err := readAll(&http.Client{Transport: sim.RoundTripper()}, req); err != nil {
				t.Fatal(err)
			}
		}
		var throttled []bool
		for _, r := range sim.Requests() {
			throttled = append(throttled, r.Throttled)
		}
		equal(t, "throttled", throttled, []bool{false, true, false})
	})
}

func TestFaultsOfTimeObeyTheClientsPatience(t *testing.T) {
	for _, c := range []struct {
		name     string
		fault    simulator.Fault
		patience time.Duration
		takes    time.Duration
		want     error
	}{
		{"a slow answer comes in the end", simulator.Fault{Kind: simulator.FaultSlow, Delay: 5 * second}, 10 * second, 5 * second, nil},
		{"a slow answer comes too late", simulator.Fault{Kind: simulator.FaultSlow, Delay: 50 * second}, 10 * second, 10 * second, context.DeadlineExceeded},
		{"a hang ends with the client's patience", simulator.Fault{Kind: simulator.FaultHang}, 10 * second, 10 * second, context.DeadlineExceeded},
		{"a body that drips takes its pauses", simulator.Fault{Kind: simulator.FaultDrip, Pause: second}, 30 * second, 10 * second, nil},
		{"a body that drips outlasts the client", simulator.Fault{Kind: simulator.FaultDrip, Pause: 5 * second}, 12 * second, 12 * second, context.DeadlineExceeded},
		{"any fault can be delayed", simulator.Fault{Kind: simulator.FaultReset, Delay: 5 * second}, 2 * second, 2 * second, context.DeadlineExceeded},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sim := newSimulator(t, nil)
				sim.Fill("default", 4)
				fail(t, sim, c.fault)
				ctx, cancel := context.WithTimeout(t.Context(), c.patience)
				defer cancel()
				start := time.Now()
				_, _, err := roundTrip(ctx, sim, `{}`)
				if !errors.Is(err, c.want) || c.want == nil && err != nil {
					t.Errorf("got %v, want %v", err, c.want)
				}
				equal(t, "time taken", time.Since(start), c.takes)
			})
		})
	}
}

func TestTrafficMovesVideosThroughTheirLivesAndRepeatsWithItsSeed(t *testing.T) {
	run := func(t *testing.T) (videos []simulator.Video) {
		synctest.Test(t, func(t *testing.T) {
			sim := newSimulator(t, nil)
			traffic := simulator.Traffic{
				Every: second, MinLifetime: second, MaxLifetime: 30 * second, Namespaces: []string{"a", "b"}, Keep: 20,
				FailRatio: 0.3, InstantRatio: 0.1, RegressRatio: 0.1, DeleteRatio: 0.1,
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			if err := traffic.Run(ctx, sim); err != nil {
				t.Fatal(err)
			}
			videos = slices.Concat(sim.List("a"), sim.List("b"))
		})
		return videos
	}
	videos := run(t)
	count := map[string]int{}
	for _, v := range videos {
		count[v.Raw]++
		if (v.Raw == "FAILED") != (v.Cause != "") || v.Name == "" || v.Size <= 0 || v.DurationS <= 0 {
			t.Errorf("got %+v", v)
		}
	}
	if count["UNPARSE"] == 0 || count["PARSE"] == 0 || count["FAILED"] == 0 || len(videos) > 40 {
		t.Errorf("got %v of %d", count, len(videos))
	}
	equal(t, "the same seed again", run(t), videos)
}

func TestTrafficRefusesSettingsThatMakeNoSense(t *testing.T) {
	sim := newSimulator(t, nil)
	for _, c := range []struct {
		name    string
		traffic simulator.Traffic
		want    string
	}{
		{"a ratio above one", simulator.Traffic{FailRatio: 1.5}, "FailRatio: 1.5 is not between"},
		{"a longest life that is the shorter one", simulator.Traffic{MinLifetime: 2, MaxLifetime: 1}, "MaxLifetime: "},
		{"a negative pace", simulator.Traffic{Every: -1}, "Every: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := c.traffic.Run(t.Context(), sim); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// receiver is a transport that notes when which callback came.
type receiver struct {
	mu    sync.Mutex
	start time.Time
	got   []string
}

func (r *receiver) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, time.Since(r.start).String()+" "+req.URL.Host+" "+string(body))
	return &http.Response{StatusCode: http.StatusInternalServerError, Body: http.NoBody, Header: http.Header{}}, nil
}

func TestCallbacksAreAmbiguousDroppedAndRepeated(t *testing.T) {
	const up, ok, bad = `0s 127.0.0.1 {"videoNo":"VI1","status":"PARSE"}`, `10s 127.0.0.1 {"videoNo":"VI1","status":"PARSE"}`, `20s 127.0.0.1 {"videoNo":"VI1","status":"FAIL"}`
	for _, c := range []struct {
		name   string
		change func(*simulator.Callbacks)
		want   []string
	}{
		{"upload and end of parsing both say PARSE", func(*simulator.Callbacks) {}, []string{up, ok, bad}},
		{"those on upload can be dropped", func(c *simulator.Callbacks) { c.DropUpload = true }, []string{ok, bad}},
		{"those on parse can be dropped", func(c *simulator.Callbacks) { c.DropParse = true }, []string{up}},
		{"each can be repeated", func(c *simulator.Callbacks) { c.Repeat = 1 }, []string{up, up, ok, ok, bad, bad}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &receiver{start: time.Now()}
				sim := newSimulator(t, func(o *simulator.Options) {
					o.Callbacks = simulator.Callbacks{URLs: map[string]string{"default": "http://127.0.0.1/hook"}, Transport: r}
					c.change(&o.Callbacks)
				})
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error)
				go func() { done <- sim.Run(ctx) }()
				synctest.Wait() // Run has nothing to do yet, and must be woken
				sim.Add("default", simulator.Video{No: "VI1", Life: []simulator.Step{
					{After: 10 * second, Raw: "PARSE"}, {After: 10 * second, Raw: "FAILED"},
				}})
				sim.Add("default", simulator.Video{Raw: "PARSE"}) // was there before: nobody is called
				sim.Add("default", simulator.Video{Callback: "http://192.0.2.1/"})
				time.Sleep(time.Minute)
				cancel()
				if err := <-done; err != nil {
					t.Error(err)
				}
				equal(t, "callbacks", without(r.got, "192.0.2.1"), c.want)
				equal(t, "to other machines", len(r.got), len(c.want))
			})
		})
	}
}

func without(lines []string, part string) []string {
	return slices.DeleteFunc(slices.Clone(lines), func(l string) bool { return strings.Contains(l, part) })
}

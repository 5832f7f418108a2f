package e2e

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// event is what a receiver reads of one.
type event struct {
	ID   string `json:"id"`
	Type string `json:"type"`
	Data struct {
		Source  string  `json:"source"`
		VideoNo string  `json:"video_no"`
		Cause   *string `json:"cause"`
		Version int     `json:"version"`
	} `json:"data"`
}

// kind is the last word of the type.
func (e event) kind() string { return e.Type[len("video."):] }

// arrival is one request at a receiver whose signature was right.
type arrival struct {
	event
	at     time.Time
	sent   time.Time // webhook-timestamp
	header http.Header
	body   string
	answer int // what the receiver answered, or cut
}

// cut in place of an answer: the receiver has read the request, and the connection ends.
const cut = 0

func (a arrival) taken() bool { return a.answer/100 == 2 }

// receiver is a webhook endpoint that does what the README asks of one: it verifies with the reference library over the raw
// body. Anything that is not right about a request fails the test.
type receiver struct {
	t       testing.TB
	secret  string
	verify  *standardwebhooks.Webhook
	address string

	mu       sync.Mutex
	server   *http.Server
	arrivals []arrival
	answer   func(arrival) int
}

func newReceiver(t testing.TB) *receiver {
	t.Helper()
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	r := &receiver{t: t, secret: "whsec_" + base64.StdEncoding.EncodeToString(secret), address: "127.0.0.1:0"}
	var err error
	r.verify, err = standardwebhooks.NewWebhook(r.secret)
	must(t, err)
	r.answers(func(arrival) int { return http.StatusNoContent })
	r.open()
	t.Cleanup(r.close)
	return r
}

// url holds a token, as those of many services do: it is as secret as a key.
func (r *receiver) url() string { return "http://" + r.address + "/hooks/videos?token=e2e-3bXs8Kd0" }

// open listens, after a close on the address of before.
func (r *receiver) open() {
	r.t.Helper()
	l, err := net.Listen("tcp", r.address)
	must(r.t, err)
	server := &http.Server{Handler: r, ReadHeaderTimeout: patience}
	r.mu.Lock()
	r.address, r.server = l.Addr().String(), server
	r.mu.Unlock()
	go func() { _ = server.Serve(l) }() // ends with close
}

// close refuses connections and breaks those that are there.
func (r *receiver) close() {
	r.mu.Lock()
	server := r.server
	r.mu.Unlock()
	_ = server.Close()
}

// answers sets what requests are answered with from now on.
func (r *receiver) answers(answer func(arrival) int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

// ServeHTTP verifies first and looks later.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // the sender was killed while it sent
	}
	if err := r.verify.Verify(body, req.Header); err != nil {
		r.t.Errorf("signature: %v in %v", err, req.Header)
	}
	a := arrival{at: time.Now(), body: string(body), header: req.Header.Clone()}
	if err := json.Unmarshal(body, &a.event); err != nil || a.ID != req.Header.Get("webhook-id") {
		r.t.Errorf("webhook-id %q of %s: %v", req.Header.Get("webhook-id"), body, err)
	}
	seconds, err := strconv.ParseInt(req.Header.Get("webhook-timestamp"), 10, 64)
	if err != nil {
		r.t.Error(err)
	}
	a.sent = time.Unix(seconds, 0)
	r.mu.Lock()
	answer := r.answer
	r.mu.Unlock()
	a.answer = answer(a)
	r.mu.Lock()
	r.arrivals = append(r.arrivals, a)
	r.mu.Unlock()
	if a.answer == cut {
		panic(http.ErrAbortHandler) // the way to break the connection
	}
	w.WriteHeader(a.answer)
	if !a.taken() { // as careless pages do
		fmt.Fprintf(w, "\x1b[31mcannot %s %s with %s", req.Method, req.URL, req.Header.Get("webhook-id"))
	}
}

// all returns every arrival so far.
func (r *receiver) all() []arrival {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.arrivals)
}

// taken returns the first accepted arrival of each event.
func (r *receiver) taken() map[string]arrival {
	taken := map[string]arrival{}
	for _, a := range r.all() {
		if _, again := taken[a.ID]; !again && a.taken() {
			taken[a.ID] = a
		}
	}
	return taken
}

// told returns the kinds of the events taken of a video, in the order of their versions.
func (r *receiver) told(no string) []string {
	var events []event
	for _, a := range r.taken() {
		if a.Data.VideoNo == no {
			events = append(events, a.event)
		}
	}
	return kinds(events)
}

func kinds(events []event) []string {
	slices.SortFunc(events, func(a, b event) int { return a.Data.Version - b.Data.Version })
	var list []string
	for _, e := range events {
		list = append(list, e.kind())
	}
	return list
}

// missing counts the videos whose story has not been told yet.
func (r *receiver) missing(truth map[string]story) int {
	byVideo := map[string][]event{}
	for _, a := range r.taken() {
		byVideo[a.Data.VideoNo] = append(byVideo[a.Data.VideoNo], a.event)
	}
	n := 0
	for no, s := range truth {
		if !s.accepts(kinds(byVideo[no])) {
			n++
		}
	}
	return n
}

// deliverTo has a process deliver every video event to receivers. Each call is signed with the secrets of all of them, and
// each receiver knows its own.
func deliverTo(s settings, receivers ...*receiver) settings {
	var urls, secrets []string
	for _, r := range receivers {
		urls, secrets = append(urls, r.url()), append(secrets, r.secret)
	}
	return s.with("WEBHOOK_URL", strings.Join(urls, ","), "WEBHOOK_SECRET", strings.Join(secrets, ","), "WEBHOOK_EVENTS", "video.*")
}

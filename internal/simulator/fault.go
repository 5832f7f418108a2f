package simulator

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"
)

// FaultKind is what goes wrong.
type FaultKind string

// The kinds of fault. Those of the first group answer in place of the list, those of the second spoil its answer.
const (
	FaultCode     FaultKind = "code"      // an envelope with Fault.Code and no data, at HTTP 200 unless HTTPStatus says else
	FaultHTTP     FaultKind = "http"      // Fault.HTTPStatus with the platform's Spring body
	FaultHTML     FaultKind = "html"      // a web page, at HTTP 200 unless HTTPStatus says else
	FaultReset    FaultKind = "reset"     // the connection is reset before a byte of an answer
	FaultHang     FaultKind = "hang"      // no answer until the client gives up
	FaultEmpty    FaultKind = "empty"     // a success that lists nothing and counts 0: a lie
	FaultNullData FaultKind = "null-data" // a success with data null

	FaultSlow         FaultKind = "slow"         // the right answer after Fault.Delay
	FaultDrip         FaultKind = "drip"         // the right answer in ten pieces, Fault.Pause apart
	FaultHuge         FaultKind = "huge"         // the right answer behind Fault.Size bytes of white space
	FaultCut          FaultKind = "cut"          // JSON cut short, in an answer that ends properly
	FaultBroken       FaultKind = "broken"       // the connection breaks in the middle of the body
	FaultStale        FaultKind = "stale"        // a replica that lags: the library as of Fault.Age ago, or at Fault.AsOf
	FaultRepeat       FaultKind = "repeat"       // the items of the page before, or of Fault.ServePage
	FaultShort        FaultKind = "short"        // only the first Fault.Keep items of the page
	FaultTotal        FaultKind = "total"        // total_count off by Fault.Delta
	FaultHide         FaultKind = "hide"         // the videos of Fault.Hidden are not shown, and not counted but for Fault.Delta
	FaultNoID         FaultKind = "no-id"        // the first item has no video_no
	FaultContradicted FaultKind = "contradicted" // code 0000 and data, but success false and failed true
)

// Fault is a scripted misbehaviour. It waits in a queue; the first in the queue that matches a request answers it.
// Requests with a bad key, beyond the quota or refused for their parameters (page 0) do not get as far as a fault.
type Fault struct {
	Kind FaultKind

	Times  int     // requests it answers; 0: one, negative: all, until ClearFaults
	Skip   int     // matching requests it lets pass first
	Chance float64 // of each matching request; 0: certain. Drawn from Options.Seed

	// Which requests match. Zero values match all.
	Page      int
	Namespace string
	Key       string
	Account   string
	Lane      Lane
	Match     func(Request) bool // called with the simulator locked: it must not call it

	Code       string // of FaultCode, one of the platform's such as 0429, or any other
	Msg        string // empty: the platform's
	Minimal    bool   // only code and msg
	Integer    bool   // code as a number
	HTTPStatus int
	RetryAfter time.Duration // header, in seconds rounded up
	Delay      time.Duration // before the answer, of any kind
	Pause      time.Duration // between the pieces of FaultDrip
	Size       int64         // of FaultHuge, in bytes; 0: 64 MiB
	Age        time.Duration // of FaultStale
	AsOf       time.Time     // of FaultStale, in place of Age
	ServePage  int           // of FaultRepeat; 0: the page before
	Keep       int           // of FaultShort
	Delta      int           // of FaultTotal and FaultHide
	Hidden     []string      // ids, of FaultHide
}

const defaultHuge = 64 << 20

func (f Fault) validate() error {
	switch f.Kind {
	case FaultCode:
		if f.Code == "" {
			return fieldError{"Code", "give the code to answer with"}
		}
	case FaultHTTP:
		if f.HTTPStatus == 0 {
			return fieldError{"HTTPStatus", "give the status to answer with"}
		}
	case FaultSlow:
		if f.Delay <= 0 {
			return fieldError{"Delay", "give the time to wait"}
		}
	case FaultDrip:
		if f.Pause <= 0 {
			return fieldError{"Pause", "give the time between two pieces"}
		}
	case FaultStale:
		if f.Age <= 0 && f.AsOf.IsZero() {
			return fieldError{"Age", "give how far the replica lags, or AsOf"}
		}
	case FaultTotal:
		if f.Delta == 0 {
			return fieldError{"Delta", "give what to add to total_count"}
		}
	case FaultHTML, FaultReset, FaultHang, FaultEmpty, FaultNullData, FaultHuge, FaultCut, FaultBroken, FaultRepeat,
		FaultShort, FaultNoID, FaultContradicted:
	case FaultHide:
		if len(f.Hidden) == 0 {
			return fieldError{"Hidden", "give the ids of the videos to hide"}
		}
	default:
		return fieldError{"Kind", fmt.Sprintf("%q is not a kind of fault", f.Kind)}
	}
	return f.validateRanges()
}

func (f Fault) validateRanges() error {
	if f.HTTPStatus != 0 && (f.HTTPStatus < 200 || f.HTTPStatus > 599) {
		return fieldError{"HTTPStatus", fmt.Sprintf("%d is not between 200 and 599", f.HTTPStatus)}
	}
	return errors.Join(
		oneOf("Lane", f.Lane, LaneNone, LaneWalk, LaneVideoNos, LaneVideoNo, LaneStatus, LaneName),
		ratio("Chance", f.Chance),
		notNegative("Skip", float64(f.Skip)), notNegative("Page", float64(f.Page)),
		notNegative("RetryAfter", f.RetryAfter.Seconds()), notNegative("Delay", f.Delay.Seconds()),
		notNegative("Pause", f.Pause.Seconds()), notNegative("Size", float64(f.Size)),
		notNegative("ServePage", float64(f.ServePage)), notNegative("Keep", float64(f.Keep)),
	)
}

// faults is the queue.
type faults struct {
	queue []*Fault
	rng   *rand.Rand
}

func (q *faults) take(r Request) (Fault, bool) {
	for i, f := range q.queue {
		if !f.wants(r) {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		if f.Chance > 0 && q.rng.Float64() >= f.Chance {
			continue
		}
		if f.Times > 0 {
			f.Times--
		}
		if f.Times == 0 {
			q.queue = append(q.queue[:i:i], q.queue[i+1:]...)
		}
		return *f, true
	}
	return Fault{}, false
}

func (f *Fault) wants(r Request) bool {
	return (f.Page == 0 || f.Page == r.Page) &&
		(f.Namespace == "" || f.Namespace == r.Namespace) &&
		(f.Key == "" || f.Key == r.Key) &&
		(f.Account == "" || f.Account == r.Account) &&
		(f.Lane == "" || f.Lane == r.Lane) &&
		(f.Match == nil || f.Match(r))
}

// replaces gives the whole answer of a fault of the first group.
func (f Fault) replaces(p pageView, render renderer) (reply, bool) {
	switch f.Kind {
	case FaultCode:
		v := verdict{f.Code, orElse(f.Msg, messageOf(f.Code)), f.Integer}
		return envelope(orElse(f.HTTPStatus, http.StatusOK), v, f.Minimal), true
	case FaultHTTP:
		return springReply(f.HTTPStatus, ListPath), true
	case FaultHTML:
		return htmlReply(orElse(f.HTTPStatus, http.StatusOK)), true
	case FaultReset:
		return reply{header: http.Header{}, ending: endReset}, true
	case FaultHang:
		return reply{header: http.Header{}, ending: endHang}, true
	case FaultNullData:
		return envelope(http.StatusOK, success(f.Integer), false), true
	case FaultEmpty:
		p.videos, p.total = nil, 0
		return render.reply(success(f.Integer), p), true
	default:
		return reply{}, false
	}
}

// spoilQuery turns to another page, or to fewer videos.
func (f Fault) spoilQuery(q query) query {
	if f.Kind == FaultHide {
		q.hidden = f.Hidden
	}
	if f.Kind == FaultRepeat {
		q.page = orElse(f.ServePage, max(1, q.page-1))
	}
	return q
}

// asOf is the instant at which a stale replica stands.
func (f Fault) asOf(now time.Time) (time.Time, bool) {
	if f.Kind != FaultStale {
		return time.Time{}, false
	}
	return orElse(f.AsOf, now.Add(-f.Age)), true
}

// spoilPage changes what the page shows.
func (f Fault) spoilPage(p *pageView) {
	switch f.Kind {
	case FaultShort:
		p.videos = p.videos[:min(f.Keep, len(p.videos))]
	case FaultTotal, FaultHide:
		p.total = max(0, p.total+f.Delta)
	case FaultNoID:
		p.firstWithoutID = true
	case FaultContradicted:
		p.contradict = true
	default: // it does something else
	}
}

// spoilReply changes how the answer travels.
func (f Fault) spoilReply(r *reply) {
	r.delay = f.Delay
	r.retryAfter(f.RetryAfter)
	switch f.Kind {
	case FaultDrip:
		r.pause = f.Pause
	case FaultHuge:
		r.padding = orElse(f.Size, defaultHuge)
	case FaultCut:
		r.body = r.body[:len(r.body)*2/3]
	case FaultBroken:
		r.ending = endBroken
	default: // it does something else
	}
}

package webhook

import (
	"fmt"
	"strings"
	"time"
)

// sentence says it to people.
func (q *inquiry) sentence() string {
	f, name := q.fate, q.lane.target.Name
	switch f.Fate {
	case FateDelivered:
		return fmt.Sprintf("%s took it at %s, %s after it was stored.", name, clock(f.DeliveredAt), short(f.DeliveredAt.Sub(f.StoredAt)))
	case FateDead:
		return q.givenUp()
	case FateUnwanted:
		return fmt.Sprintf("%s does not ask for it: %s.", name, q.unwantedBy())
	case FateMissed:
		return fmt.Sprintf("It was stored when %s did not yet ask for such events; a replay of what is missing brings it.", name)
	case FateOver:
		return fmt.Sprintf("%s is past it: taken, or left out by the filter of that time, longer ago than the delivery log goes back.", name)
	default:
		return q.waiting()
	}
}

// memory says what the delivery log knows of an event that has left the log.
func (f *EventFate) memory(endpoint string) string {
	const gone = " The event itself is older than the log goes back."
	if f.Fate == FateDelivered {
		return fmt.Sprintf("%s took it at %s.", endpoint, clock(f.DeliveredAt)) + gone
	}
	last := f.Attempts[0]
	return fmt.Sprintf("%s is past it; the delivery log has %s%s, at %s.", endpoint, times(f.AttemptsMade), lastly(last.Detail), clock(last.At)) + gone
}

// unwantedBy names the setting that leaves the event out, and what it says.
func (q *inquiry) unwantedBy() string {
	f, t := q.fate, q.lane.target
	switch f.Unwanted {
	case "types":
		return fmt.Sprintf("%s is not in its events (%s)", f.Type, strings.Join(t.patterns, ", "))
	case "sources":
		return fmt.Sprintf("%s is not in its sources (%s)", f.Source, strings.Join(t.Sources, ", "))
	default:
		return fmt.Sprintf("its filter says no (%s)", t.Filter)
	}
}

// reasons say in words why a delivery became a dead letter.
var reasons = map[Reason]string{
	ReasonUsedUp:  "every attempt of its schedule failed",
	ReasonRefused: "the receiver kept refusing it",
	ReasonFinal:   "no other attempt could do better",
	ReasonBlocked: "the receiver's address is one that is never connected to",
	ReasonRender:  "it could not be rendered in the endpoint's format",
}

func (q *inquiry) givenUp() string {
	dead := q.fate.Dead
	why := reasons[Reason(dead.Reason)]
	if why == "" { // of a later version
		why = dead.Reason
	}
	if dead.Class != "" {
		why += ", class " + dead.Class
	}
	text := fmt.Sprintf("It was given up at %s after %s: %s%s; ", clock(dead.At), times(dead.Attempts), why, lastly(dead.Detail))
	if !q.fate.Replay {
		return text + "it is kept for replay."
	}
	return text + "a replay is under way, and that is waiting" + q.waitingFor() + "."
}

func (q *inquiry) waiting() string {
	f := q.fate
	text := "It is waiting"
	if f.Replay {
		text = "Its replay is waiting"
	}
	text += q.waitingFor()
	if f.WaitingFor == WaitingRequest {
		text = "Its request is under way, or about to be"
	}
	if f.AttemptsMade > 0 {
		text += "; so far there " + were(f.AttemptsMade) + times(f.AttemptsMade) + lastly(q.record.LastDetail)
	}
	return text + "."
}

// waitingFor says what it waits for: by which setting, and when it goes on.
func (q *inquiry) waitingFor() string {
	f, t := q.fate, q.lane.target
	switch f.WaitingFor {
	case WaitingDisabled:
		return " until the endpoint is enabled" + q.whyDisabled()
	case WaitingBreaker:
		return fmt.Sprintf(" for the receiver to be back: it failed %d times in a row, and is asked", q.lane.report().FailuresInRow) + untilText(" next at ", f.WaitingUntil)
	case WaitingPause:
		return untilText(" until ", f.WaitingUntil) + ", as the receiver asked with Retry-After"
	case WaitingSchedule:
		return untilText(" until ", f.WaitingUntil) + fmt.Sprintf(" for its next attempt, number %d of %d of its schedule", q.record.steps()+1, len(t.Schedule.list()))
	case WaitingTurn:
		return fmt.Sprintf(" for its turn, behind %d others; %s", f.Ahead, q.throughput())
	case WaitingOrder:
		earlier := "an earlier event"
		if q.earlierID != "" {
			earlier = q.earlierID + ", an earlier event"
		}
		return " for " + earlier + " of its video to be over, as its order (video) asks"
	case WaitingGroup:
		return untilText(" until ", f.WaitingUntil) + fmt.Sprintf(" for others to be told with (group_wait %s), or until there are %d (group_max)", t.GroupWait, t.GroupMax)
	case WaitingRate:
		return fmt.Sprintf(" for the endpoint's rate limit (rate_limit, %g a second),", float64(q.lane.rate.Limit())) + untilText(" at the latest until ", f.WaitingUntil)
	default:
		return ""
	}
}

// whyDisabled says who did it, and what ends it.
func (q *inquiry) whyDisabled() string {
	h := q.lane.report()
	text := fmt.Sprintf(" (vidbell endpoints enable %s); it is disabled since %s", h.Endpoint, clock(h.Since))
	if why := strings.TrimSuffix(string(h.Cause)+": "+h.Detail, ": "); why != "" {
		text += ", " + why
	}
	return text
}

// throughput says how fast those before it go.
func (q *inquiry) throughput() string {
	if q.fate.Replay {
		most := min(float64(q.lane.replays.gentle.Limit()), float64(q.lane.rate.Limit())/2)
		return fmt.Sprintf("replays have %g requests a second at most, and let live deliveries go first", most)
	}
	return fmt.Sprintf("%d requests may be under way at once (in_flight)", q.lane.target.InFlight)
}

func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

func untilText(before string, t time.Time) string {
	if t.IsZero() {
		return " now"
	}
	return before + clock(t)
}

func short(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	default:
		return d.Round(time.Second).String()
	}
}

func times(attempts int) string {
	if attempts == 1 {
		return "1 attempt"
	}
	return fmt.Sprintf("%d attempts", attempts)
}

func were(n int) string {
	if n == 1 {
		return "was "
	}
	return "were "
}

func lastly(detail string) string {
	if detail == "" {
		return ""
	}
	return ", the last with: " + detail
}

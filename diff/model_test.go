package diff

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// model is the rules again, slow and obvious: it keeps every sighting since a video's last change and looks back through them.
// It speaks in the platform's words and in the statuses' names, and shares no decision with the package.
type model struct {
	done, failed, working []string // the words of the lists
	rule                  string   // auto, done, processing
	policy                Policy

	sawDone, sawUnparse, sawFail, sawOld bool
	flippedAt                            Time
	baselineAt                           Time
	latest                               Time // of what was seen in earlier cycles
	baselined                            bool // with the cycle at hand
	released                             bool // the cycle at hand tells that what was held is done
	videos                               map[string]*life
	shown                                map[string]Time // when an id was last seen, since the restart
	holding                              bool            // deletions are held back
	present                              Time            // of the cycle at hand
	steady                               Time            // since when the clock was not set, as far as is known since the restart
	wasSet                               bool            // it was set since the restart
	bare                                 bool            // the baseline showed no video
	shifts                               []Time          // by which creation times have moved, the latest last
	doubting                             bool            // replacements are held back
	lagging                              bool            // the cycle at hand is of a replica that lags
}

// life is what the model knows of one id.
type life struct {
	version               int
	status                string // as announced, when version > 0
	under                 string // in flight, and what it was when it moved while never announced: that is owed
	word                  string // upper case
	created               Time
	first, changed, noted Time
	working               Time // when the run was first seen working, 0 if that was not seen
	stalled               bool
	real                  Time       // when it changed, if the event says later
	trail                 []sighting // since the last change, in the order they were judged
	agreed                int        // sightings beyond the second that agree about another video, while such are held back
	agreedSince, agreedAt Time       // since when that is claimed, and when the last of them was
	missed                []missed   // since the last change or sighting, sweep by sweep
}

// missed is a miss, whether deletions were held back when it came, and whether it counts.
type missed struct {
	Miss
	held, counts bool
}

// sighting is one step of a trail.
type sighting struct {
	at      Time
	claims  string // what it claims against the record: "", or a status, or "another video"
	created Time   // of another video
	mute    bool   // it has no creation time, so it says nothing about another video
	overdue bool
}

func newModel(policy Policy) *model {
	m := &model{policy: policy, videos: map[string]*life{}, shown: map[string]Time{}}
	m.configure("auto", nil)
	return m
}

// configure sets what the operator says about words. done are words that mean done beside DONE.
func (m *model) configure(rule string, done []string) {
	m.rule = rule
	m.done, m.failed = append([]string{"DONE"}, done...), []string{"FAILED", "FAIL", "PARSE_ERROR", "ERROR"}
	m.working = []string{"UNPARSE", "PENDING", "PROCESSING", "UPLOADING", "", "NULL"}
}

// restart forgets what is not stored.
func (m *model) restart() {
	m.latest, m.holding, m.shown, m.steady, m.wasSet = 0, false, map[string]Time{}, 0, false
	m.doubting = false
	for _, v := range m.videos {
		v.trail, v.missed, v.real, v.agreedSince = nil, nil, 0, 0
	}
}

// clockSet makes what was seen so far as old as the moment.
func (m *model) clockSet(now Time) {
	m.latest, m.steady, m.wasSet = min(m.latest, now), now, true
	for id, at := range m.shown {
		m.shown[id] = min(at, now/1000*1000)
	}
	for _, v := range m.videos {
		claim, since, created := v.row()
		v.trail, v.real = nil, 0
		if claim != "" {
			v.trail = []sighting{{at: now, claims: claim, created: created}}
			if v.agreedSince == since {
				v.agreedSince, v.agreedAt = now, now
			}
		}
		for i := range v.missed {
			v.missed[i].At = now
		}
	}
}

// ahead reports whether a time was recorded by a clock that was ahead.
func (m *model) ahead(t Time) bool { return t > m.present+5000 }

// told is the time of an event about a sighting: after the last, even if the clock went back.
func (m *model) told(v *life, at Time) Time {
	if last := max(v.changed, v.noted); at < last {
		return last + 1
	}
	return at
}

func (m *model) delete(id string, at Time) {
	if v := m.videos[id]; v != nil && v.now(m) != "deleted" {
		v.announce("deleted", at)
		v.working = 0
		m.holding = m.holding && len(m.gone(2)) > 0
		m.doubting = m.doubting && len(m.replaced()) > 0
	}
}

// parse is what PARSE means: done, processing, or held.
func (m *model) parse() string {
	switch {
	case m.rule != "auto":
		return m.rule
	case m.sawDone:
		return "processing"
	case m.sawUnparse || m.sawFail || m.sawOld:
		return "done"
	}
	return "held"
}

// list names the list a word stands in.
func (m *model) list(word string) string {
	switch {
	case slices.Contains(m.done, word):
		return "done"
	case slices.Contains(m.failed, word):
		return "failed"
	case slices.Contains(m.working, word):
		return "processing"
	}
	return "unknown"
}

func (m *model) meaning(word string) string {
	if word != "PARSE" {
		return m.list(word)
	}
	if m.parse() == "done" {
		return "done"
	}
	return "processing"
}

func (v *life) now(m *model) string {
	if v.version > 0 {
		return v.status
	}
	if v.under != "" {
		return v.under
	}
	return m.meaning(v.word)
}

func settled(status string) bool { return status == "done" || status == "failed" }
func underway(status string) bool {
	return status == "processing" || status == "unknown"
}

// owes reports whether the world waits for the end of what it was told, or what moved before it was told anything.
func (v *life) owes() bool { return v.version > 0 || v.under != "" }

func (v *life) announce(status string, at Time) {
	v.version++
	v.status, v.changed, v.noted, v.trail, v.missed, v.stalled, v.real = status, at, 0, nil, nil, false, 0
}

// cycle tells what must be announced, and moves on.
func (m *model) cycle(in Input) []string {
	m.present, m.lagging = in.Now, in.Lagging
	if m.steady == 0 {
		m.steady = in.Now
	}
	sightings := m.inOrder(in.Observations)
	believed := m.parse()
	m.compare(in.Observations)
	m.baselined = m.baselineAt != 0 || in.SweepComplete != 0
	for _, o := range in.Observations {
		m.learn(o, believed)
		m.shown[o.VideoNo] = max(m.shown[o.VideoNo], o.At)
		if v := m.videos[o.VideoNo]; v != nil && slices.ContainsFunc(v.missed, func(x missed) bool { return o.At >= x.At }) {
			v.missed = nil
		}
	}
	if m.baselineAt != 0 && believed == "done" && m.parse() == "processing" && m.flippedAt == 0 {
		m.flippedAt = 1 << 60 // every baseline video there is was known before
	}
	m.released = believed != "done" && m.parse() == "done"
	events := []string{}
	for _, o := range sightings {
		events = append(events, m.judge(o)...)
	}
	if m.released {
		events = append(events, m.announceHeld(in)...)
	}
	if m.baselineAt == 0 && in.SweepComplete != 0 {
		m.baselineAt, m.bare = in.SweepComplete, len(m.videos) == 0
		if m.policy.Emit {
			events = append(events, m.announceBaseline()...)
		}
	}
	for _, o := range in.Observations {
		m.latest = max(m.latest, o.At)
	}
	for _, x := range slices.SortedFunc(slices.Values(in.Misses), bySweep) {
		m.miss(x)
		m.latest = max(m.latest, x.At)
	}
	events = append(events, m.judgeAbsence(in)...)
	for _, id := range m.replaced() {
		if v := m.videos[id]; in.Release && m.doubting {
			_, v.agreedSince, _ = v.row()
			v.agreed, v.agreedAt = 3, m.latest
		}
	}
	m.doubting = m.doubting && len(m.replaced()) > 0
	return events
}

func bySweep(a, b Miss) int {
	return cmp.Or(cmp.Compare(a.Sweep, b.Sweep), cmp.Compare(a.At, b.At), cmp.Compare(a.Total, b.Total))
}

// miss keeps a miss that nothing contradicts. Two that were told by different counts are no pair.
func (m *model) miss(x Miss) {
	v := m.videos[x.VideoNo]
	if m.baselineAt == 0 || x.Sweep == 0 || v == nil || v.now(m) == "deleted" {
		return
	}
	if last := max(v.changed, v.noted); x.At <= last && !m.ahead(last) || m.young(v, x.At) {
		return
	}
	if seen, ok := m.shown[x.VideoNo]; ok && x.At/1000 <= seen/1000 {
		return
	}
	if n := len(v.missed); n > 0 && x.Sweep <= v.missed[n-1].Sweep {
		return
	}
	if len(v.missed) == 1 && v.missed[0].Total != x.Total {
		v.missed = nil
	}
	n, at := v.misses()
	counts := n < 2
	if n >= 2 && m.holding {
		counts = x.Total == v.missed[len(v.missed)-1].Total && time.Duration(max(0, x.At-at))*time.Millisecond >= m.policy.Agree
	}
	v.missed = append(v.missed, missed{x, m.holding, counts})
}

// misses says how many misses of a video count, and when the last of them was. Beyond two only those count that were told while
// deletions are held back, by sweeps far enough apart, and not while the counts move.
func (v *life) misses() (n int, at Time) {
	for _, x := range v.missed {
		if x.counts {
			n++
		}
		if x.counts || !x.held {
			at = max(at, x.At)
		}
	}
	return n, at
}

// gone lists the videos with so many misses.
func (m *model) gone(least int) []string {
	var list []string
	for id, v := range m.videos {
		if n, _ := v.misses(); n >= least {
			list = append(list, id)
		}
	}
	return list
}

func (m *model) live() int {
	n := 0
	for _, v := range m.videos {
		if v.now(m) != "deleted" {
			n++
		}
	}
	return n
}

// judgeAbsence decides about deletions.
func (m *model) judgeAbsence(in Input) []string {
	judged, gone, once, live := in.Judged != 0, m.gone(2), len(m.gone(1)), m.live()
	tooMany := func(n int) bool { return n > 10 && float64(n) > float64(live)*0.2 }
	all := once == live && live > 1
	switch {
	case m.holding && in.Release:
	case m.holding && judged:
		gone = m.gone(5)
	case judged && tooMany(once-len(gone)): // more to come
		return nil
	case judged && len(gone) > 0 && (all || tooMany(len(gone))):
		m.holding = true
		return nil
	case judged && tooMany(once): // more to come
		gone = nil
	case !judged:
		gone = nil
	}
	var events []string
	for _, id := range gone {
		v := m.videos[id]
		_, at := v.misses()
		from, took := v.now(m), v.took(m, at)
		at = m.told(v, at)
		v.announce("deleted", at)
		v.working = 0
		events = append(events, line(v, Observation{VideoNo: id, At: at}, "deleted", "gone", from, took))
	}
	m.holding = m.holding && len(m.gone(2)) > 0
	return events
}

// replaced lists the videos that are claimed to be others.
func (m *model) replaced() []string {
	var list []string
	for id, v := range m.videos {
		if claim, _, _ := v.row(); claim == "another video" {
			list = append(list, id)
		}
	}
	return list
}

// compare looks at the creation times of known videos: most may have moved by the same, or too many otherwise.
func (m *model) compare(obs []Observation) {
	by := map[Time]map[string]Time{} // videos and their recorded times, by how far the new time is away
	shown, other, waiting := 0, map[string]bool{}, map[string]bool{}
	for _, o := range obs {
		v := m.videos[o.VideoNo]
		if v == nil || v.now(m) == "deleted" || o.At <= m.latest {
			continue
		}
		shown++
		if d := o.CreatedAt - v.created; m.another(o.CreatedAt, v.created) {
			if by[d] == nil {
				by[d] = map[string]Time{}
			}
			by[d][o.VideoNo] = v.created
		}
	}
	pairs, shift := 0, Time(0)
	for _, videos := range by {
		pairs += len(videos)
	}
	for d := range by {
		moments, alike := map[Time]bool{}, 0
		for e, videos := range by {
			if e < d || e-d >= 1000 {
				continue
			}
			for _, was := range videos {
				moments[was/1000] = true
				alike++
			}
		}
		if alike*2 > pairs && len(moments) >= 3 && (shift == 0 || d < shift) {
			shift = d
		}
	}
	if shift != 0 {
		m.shifts = append(m.shifts, shift)
		m.shifts = m.shifts[max(0, len(m.shifts)-4):]
	}
	for d, videos := range by {
		for id, was := range videos {
			if m.another(was+d, was) {
				other[id], waiting[id] = true, true
			}
		}
	}
	for _, id := range m.replaced() {
		waiting[id] = true
	}
	tooMany := func(n, of int) bool { return n > 10 && float64(n) > float64(of)*0.2 }
	if len(other) > 0 && (tooMany(len(other), shown) || tooMany(len(waiting), m.live())) {
		m.doubting = true
	}
}

// hold is what is held back.
func (m *model) hold() Hold {
	h := m.heldBack()
	if !m.doubting {
		return h
	}
	agreed := 3
	for _, id := range m.replaced() {
		v, n := m.videos[id], 0
		if _, since, _ := v.row(); v.agreedSince == since {
			n = v.agreed
		}
		agreed = min(agreed, n)
	}
	if h.Videos > 0 {
		agreed = min(agreed, h.Agreed)
	}
	h.Replaced = len(m.replaced())
	h.Videos, h.Agreed = h.Videos+h.Replaced, agreed
	return h
}

func (m *model) heldBack() Hold {
	if !m.holding || len(m.gone(2)) == 0 {
		return Hold{}
	}
	h := Hold{Videos: len(m.gone(2)), Emptied: len(m.gone(1)) == m.live()}
	for h.Agreed < 3 && len(m.gone(3+h.Agreed)) == h.Videos {
		h.Agreed++
	}
	return h
}

func upper(raw string) string { return strings.ToUpper(strings.TrimSpace(raw)) }

func (m *model) learn(o Observation, believed string) {
	switch upper(o.Raw) {
	case "DONE":
		m.sawDone = true
	case "UNPARSE":
		m.sawUnparse = true
	case "FAIL":
		m.sawFail = true
	case "PARSE":
		// Age is looked at only while nothing else tells; it does not get less.
		m.sawOld = m.sawOld || believed == "held" && m.isOld(o)
	}
}

func (m *model) isOld(o Observation) bool {
	birthdays := []Time{o.CreatedAt}
	if v := m.videos[o.VideoNo]; v != nil && v.now(m) != "deleted" && !m.another(o.CreatedAt, v.created) {
		birthdays = append(birthdays, v.first)
	}
	return slices.ContainsFunc(birthdays, func(b Time) bool { return b != 0 && o.At-b > 24*60*60*1000 })
}

// another reports whether two creation times, both known, are a second or more apart, and not by what they are known to have
// moved.
func (m *model) another(a, b Time) bool {
	if a == 0 || b == 0 || !apart(a, b) {
		return false
	}
	return !slices.ContainsFunc(m.shifts, func(by Time) bool { return !apart(a, b+by) || !apart(b, a+by) })
}

func apart(a, b Time) bool { return a-b >= 1000 || b-a >= 1000 }

// inOrder sorts by time, then id; of several sightings in one answer the furthest is left.
func (m *model) inOrder(obs []Observation) []Observation {
	sorted := slices.Clone(obs)
	far := func(o Observation) string {
		word := upper(o.Raw)
		if settled(m.list(word)) {
			return "2" + o.Raw
		}
		if m.list(word) == "processing" {
			return "0" + o.Raw
		}
		return "1" + o.Raw
	}
	slices.SortFunc(sorted, func(a, b Observation) int {
		return cmp.Or(
			cmp.Compare(a.At, b.At), cmp.Compare(a.VideoNo, b.VideoNo), cmp.Compare(far(a), far(b)), cmp.Compare(a.CreatedAt, b.CreatedAt),
		)
	})
	var left []Observation
	for i, o := range sorted {
		if i+1 < len(sorted) {
			if n := sorted[i+1]; n.At == o.At && n.VideoNo == o.VideoNo {
				continue
			}
		}
		left = append(left, o)
	}
	return left
}

// judge decides about one sighting.
func (m *model) judge(o Observation) []string {
	v, word := m.videos[o.VideoNo], upper(o.Raw)
	switch {
	case v == nil:
		return m.meet(o, word)
	case m.late(v, o):
		return nil
	case v.now(m) == "deleted":
		return m.startOver(o, "returned")
	case m.another(o.CreatedAt, v.created):
		if since, ok := m.confirms(v, o, "another video"); !ok || m.doubting && !v.agrees(m, o, since) {
			return nil
		}
		from, took := v.now(m), v.took(m, o.At)
		gone := o
		gone.At = m.told(v, o.At)
		v.announce("deleted", gone.At)
		return append([]string{line(v, gone, "deleted", "replaced", from, took)}, m.startOver(o, "replaced")...)
	}
	now := v.now(m)
	means := m.meaning(word)
	if word == "PARSE" && v.word == "UNPARSE" && m.rule == "auto" {
		means = "done"
	}
	switch {
	case m.says(v, word):
		return m.same(v, o, now)
	case underway(now) && settled(means):
		return m.finish(v, o, word, means, "moved")
	case underway(now):
		v.note(m, o, word)
		if v.version == 0 {
			v.under = means
		}
		return m.maybeStall(v, o, now, o.CreatedAt == 0)
	case v.version == 0 && v.word == "PARSE" && settled(m.list(word)):
		return m.finish(v, o, word, means, "unannounced")
	case means == now:
		v.note(m, o, word)
		v.trail = append(v.trail, sighting{at: o.At, mute: o.CreatedAt == 0})
	case settled(means):
		if _, ok := m.confirms(v, o, means); ok {
			return m.finish(v, o, word, means, "corrected")
		}
	default:
		if since, ok := m.confirms(v, o, "processing"); ok {
			at := m.told(v, o.At)
			v.note(m, o, word)
			v.announce(means, at)
			v.working = since
			if at != o.At {
				v.working, v.real, o.At = at, o.At, at
			}
			return []string{line(v, o, "processing", "regressed", now, "")}
		}
	}
	return nil
}

// says reports whether a word says the same of a video as the one it has: the same word, or another of the same list while that
// list is what was announced.
func (m *model) says(v *life, word string) bool {
	if word == v.word {
		return true
	}
	if word == "UNPARSE" || v.word == "UNPARSE" || word == "PARSE" || v.word == "PARSE" {
		return false
	}
	list := m.list(word)
	return list != "unknown" && list == m.list(v.word) && v.now(m) == list
}

// late reports whether a sighting began before the last move. What is in the future was before everything that is seen now.
func (m *model) late(v *life, o Observation) bool {
	last := max(v.changed, v.noted)
	return o.At < last && (!m.ahead(last) || o.At < m.latest)
}

func (m *model) meet(o Observation, word string) []string {
	v := &life{word: word, created: o.CreatedAt, first: o.At, changed: o.At}
	m.videos[o.VideoNo] = v
	means := m.meaning(word)
	if underway(means) {
		v.working = o.At
	}
	if m.baselineAt == 0 {
		return nil
	}
	if settled(means) && m.bare && o.CreatedAt != 0 && m.baselineAt-o.CreatedAt > 24*60*60*1000 && !m.ahead(m.baselineAt) {
		if !m.policy.Emit {
			return nil
		}
		v.announce(means, o.At)
		return []string{line(v, o, means, "initial", "", "")}
	}
	v.announce(means, o.At)
	if settled(means) {
		return []string{line(v, o, means, "finished_seen", "", "")}
	}
	return []string{line(v, o, "processing", "first_seen", "", "")}
}

func (m *model) startOver(o Observation, reason string) []string {
	old := m.videos[o.VideoNo]
	v := &life{version: old.version, word: upper(o.Raw), created: o.CreatedAt, first: o.At}
	m.videos[o.VideoNo] = v
	means := m.meaning(v.word)
	seen := o.At
	o.At = m.told(old, o.At)
	v.announce(means, o.At)
	if o.At != seen {
		v.real = seen
	}
	kind := means
	if underway(means) {
		v.working = o.At
		kind = "processing"
	}
	return []string{line(v, o, kind, reason, "deleted", "")}
}

// same judges a sighting that shows what is known.
func (m *model) same(v *life, o Observation, now string) []string {
	if underway(now) && m.released && v.word == "PARSE" && v.owes() {
		v.trail = append(v.trail, sighting{at: o.At, mute: o.CreatedAt == 0})
		return nil // all that is held is announced together
	}
	if underway(now) && settled(m.meaning(v.word)) {
		return m.finish(v, o, upper(o.Raw), m.meaning(v.word), "inferred")
	}
	if underway(now) {
		return m.maybeStall(v, o, now, o.CreatedAt == 0)
	}
	v.trail = append(v.trail, sighting{at: o.At, mute: o.CreatedAt == 0})
	return nil
}

func (m *model) finish(v *life, o Observation, word, status, reason string) []string {
	from, took := v.now(m), v.took(m, o.At)
	if reason == "inferred" {
		took = ""
	}
	at, seen := m.told(v, o.At), o.At
	v.note(m, o, word)
	o.At = at
	v.announce(status, at)
	if at != seen {
		v.real = seen
	}
	v.working = 0
	return []string{line(v, o, status, reason, from, took)}
}

func (v *life) note(m *model, o Observation, word string) {
	v.word, v.noted = word, m.told(v, o.At)
	if o.CreatedAt != 0 {
		v.created = o.CreatedAt
	}
}

// took is how long the run was seen, if its start was, and if nobody thought that it was over.
func (v *life) took(m *model, at Time) string {
	if !underway(v.now(m)) || v.working == 0 || m.ahead(v.working) || !v.owes() && v.word == "PARSE" && m.flippedAt != 0 {
		return ""
	}
	return between(v.working, at)
}

func between(from, to Time) string {
	return (time.Duration(max(0, to-from)) * time.Millisecond).String()
}

// row is what the sightings so far claim that is not believed yet, and since when.
func (v *life) row() (claim string, since, created Time) {
	for _, s := range v.trail {
		another := claim == "another video" && apart(s.created, created)
		switch {
		case s.claims == "" && (claim == "" || s.at < since || claim == "another video" && s.mute):
		case s.claims == "":
			claim, since, created = "", 0, 0
		case s.claims != claim || another:
			claim, since, created = s.claims, s.at, s.created
		}
	}
	return claim, since, created
}

// confirms reports whether a sighting confirms the row that it goes on with, and since when. One that comes late does not count.
func (m *model) confirms(v *life, o Observation, claim string) (Time, bool) {
	if o.At < m.latest || m.lagging || m.young(v, o.At) {
		return 0, false
	}
	v.trail = append(v.trail, sighting{at: o.At, claims: claim, created: o.CreatedAt})
	_, since, _ := v.row()
	return since, o.At > since && time.Duration(o.At-since)*time.Millisecond >= m.policy.Confirm
}

// young reports whether a replica may not know yet what was last told.
func (m *model) young(v *life, at Time) bool {
	return v.version > 0 && time.Duration(max(0, at-m.waitsSince(v)))*time.Millisecond < m.policy.Lag
}

// waitsSince is since when a video is as it was told, as far as the clock can be believed.
func (m *model) waitsSince(v *life) Time {
	if m.ahead(v.changed) {
		return max(m.steady, v.real)
	}
	if m.wasSet {
		return max(v.changed, m.steady)
	}
	return v.changed
}

// agrees counts a sighting that agrees about another video while such are held back: three, apart, beyond the second.
func (v *life) agrees(m *model, o Observation, since Time) bool {
	switch {
	case v.agreedSince == since && v.agreed >= 3: // the operator said so
		return o.At > v.agreedAt
	case v.agreedSince != since:
		v.agreedSince, v.agreed, v.agreedAt = since, 0, o.At
	case o.At > v.agreedAt && time.Duration(o.At-v.agreedAt)*time.Millisecond >= m.policy.Agree:
		v.agreed, v.agreedAt = v.agreed+1, o.At
	}
	return v.agreed >= 3
}

// maybeStall judges a sighting that still shows the video working.
func (m *model) maybeStall(v *life, o Observation, now string, mute bool) []string {
	s := sighting{at: o.At, mute: mute}
	age := v.first - v.created
	mayStall := v.version > 0 || v.created != 0 && age < 24*60*60*1000 && (v.owes() || v.word != "PARSE" || m.flippedAt == 0)
	since := m.waitsSince(v)
	s.overdue = m.policy.StallAfter > 0 && m.baselined && mayStall && !v.stalled &&
		time.Duration(o.At-since)*time.Millisecond >= m.policy.StallAfter
	if s.overdue {
		if i := slices.IndexFunc(v.trail, func(s sighting) bool { return s.overdue }); i >= 0 && v.trail[i].at < o.At {
			if v.working == 0 {
				v.working = v.changed
			}
			if m.ahead(v.working) {
				v.working = m.steady
			}
			took, at := max(0, o.At-v.working), m.told(v, o.At)
			trail := append(slices.Clone(v.trail), s)
			o.At, v.working = at, at-took
			v.announce(now, o.At)
			v.stalled, v.trail = true, doubts(trail)
			return []string{line(v, o, "stalled", "stalled", now, between(v.working, o.At))}
		}
	}
	v.trail = append(v.trail, s)
	return nil
}

func (m *model) announceHeld(in Input) []string {
	var events []string
	for _, id := range m.oldestFirst() {
		v := m.videos[id]
		if v.word != "PARSE" || !v.owes() || !underway(v.now(m)) {
			continue
		}
		at := max(v.changed, v.noted)
		for _, o := range in.Observations {
			at = max(at, o.At)
		}
		from, trail := v.now(m), v.trail
		v.announce("done", at)
		v.working, v.trail = 0, doubts(trail)
		events = append(events, line(v, Observation{VideoNo: id, At: at}, "done", "inferred", from, ""))
	}
	return events
}

func (m *model) announceBaseline() []string {
	var events []string
	for _, id := range m.oldestFirst() {
		v := m.videos[id]
		if v.version > 0 || !settled(v.now(m)) {
			continue
		}
		at := max(m.baselineAt, v.first, v.noted)
		trail := v.trail
		v.announce(v.now(m), at)
		v.working, v.trail = 0, doubts(trail)
		events = append(events, line(v, Observation{VideoNo: id, At: at}, v.status, "initial", "", ""))
	}
	return events
}

// doubts is a trail without its overdue marks: a change that no sighting made leaves what is doubted.
func doubts(trail []sighting) []sighting {
	left := slices.Clone(trail)
	for i := range left {
		left[i].overdue = false
	}
	return left
}

func (m *model) oldestFirst() []string {
	var ids []string
	for id := range m.videos {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b string) int {
		return cmp.Or(cmp.Compare(m.videos[a].created, m.videos[b].created), cmp.Compare(a, b))
	})
	return ids
}

// line is an event as the model tells it.
func line(v *life, o Observation, kind, reason, from, took string) string {
	return fmt.Sprintf("%d v%d %s(%s) %s from=%s took=%s status=%s", o.At, v.version, kind, o.VideoNo, reason, from, took, v.status)
}

// lineOf is a change, told alike.
func lineOf(c Change) string {
	took := ""
	if c.Took >= 0 {
		took = c.Took.String()
	}
	return fmt.Sprintf("%d v%d %s(%s) %s from=%s took=%s status=%s", c.At, c.Record.Version, c.Kind, c.VideoNo, c.Reason, c.From,
		took, c.Record.Status)
}

package diff

import (
	"cmp"
	"slices"
)

// How many videos must show one and the same difference of creation times, for that to be no other videos.
const shiftedVideos = 3

// Shifts are by how much creation times were seen to move for many videos at once, the latest first: a change of time zone, or of
// the clock behind them. A video's recorded time may be of before or after one.
type Shifts [4]Time

// same reports whether two creation times mean the same.
func (s *Shifts) same(a, b Time) bool {
	if a.near(b) {
		return true
	}
	for _, by := range s {
		if by != 0 && (a.near(b+by) || b.near(a+by)) {
			return true
		}
	}
	return false
}

// with adds a shift; the oldest is forgotten.
func (s Shifts) with(by Time) Shifts {
	copy(s[1:], s[:])
	s[0] = by
	return s
}

// anotherVideo reports whether a live id shows another creation time, which means another video.
func (r *reconciler) anotherVideo(rec *Record, o *Observation) bool {
	if o.CreatedAt == rec.CreatedAt || o.CreatedAt == 0 || rec.CreatedAt == 0 {
		return false
	}
	return !r.evidence.Shifts.same(o.CreatedAt, rec.CreatedAt)
}

// differing is a known video that was seen with another creation time.
type differing struct {
	videoNo string
	was, by Time
}

func byDifference(a, b differing) int {
	return cmp.Or(cmp.Compare(a.by, b.by), cmp.Compare(a.was, b.was), cmp.Compare(a.videoNo, b.videoNo))
}

// compare looks at the creation time that a known video is shown with. What comes late, or again, does not count.
func (r *reconciler) compare(rec *Record, o *Observation) {
	if rec.Status == Deleted || o.At <= r.state.latest {
		return
	}
	r.shownLive++
	if r.anotherVideo(rec, o) {
		r.differ = append(r.differ, differing{videoNo: o.VideoNo, was: rec.CreatedAt, by: o.CreatedAt - rec.CreatedAt})
	}
}

// settleShift decides whether creation times were shifted: most of those that differ do so by the same.
func (r *reconciler) settleShift() {
	if len(r.differ) < shiftedVideos {
		return
	}
	slices.SortFunc(r.differ, byDifference)
	r.differ = slices.Compact(r.differ)
	for i := range r.differ {
		alike := r.alike(r.differ[i:])
		if len(alike)*2 > len(r.differ) && moments(alike) >= shiftedVideos {
			r.evidence.Shifts = r.evidence.Shifts.with(alike[0].by)
			r.differ = slices.DeleteFunc(r.differ, func(d differing) bool { return r.evidence.Shifts.same(d.was+d.by, d.was) })
			return
		}
	}
}

// alike are those that differ by the same as the first.
func (r *reconciler) alike(sorted []differing) []differing {
	n := slices.IndexFunc(sorted, func(d differing) bool { return !d.by.near(sorted[0].by) })
	if n < 0 {
		return sorted
	}
	return sorted[:n]
}

// moments counts the different times at which videos were created: what was uploaded at once may be uploaded at once again.
func moments(videos []differing) int {
	var times []Time
	for _, d := range videos {
		times = append(times, d.was)
	}
	slices.Sort(times)
	return len(slices.CompactFunc(times, func(a, b Time) bool { return a.near(b) }))
}

// replacements counts the videos that wait to be believed replaced, by how many further sightings have agreed.
type replacements [heldSightings + 1]int

// heldSightings is how many further sightings a replacement waits for that is held back.
const heldSightings = missesHeld - missesGone

func (c *replacements) move(from, to pending) {
	if from.replaces() {
		c[from.agreed]--
	}
	if to.replaces() {
		c[to.agreed]++
	}
}

func (c *replacements) waiting() int {
	n := 0
	for _, videos := range c {
		n += videos
	}
	return n
}

// with adds the replacements that are held back to a hold.
func (c *replacements) with(h Hold) Hold {
	agreed := 0
	for agreed < heldSightings && c[agreed] == 0 {
		agreed++
	}
	if h.Videos > 0 {
		agreed = min(agreed, h.Agreed)
	}
	h.Replaced = c.waiting()
	h.Videos, h.Agreed = h.Videos+h.Replaced, agreed
	return h
}

// doubtReplacements decides whether the listing must be doubted: it shows many videos with other creation times at once, of those
// it shows or of all.
func (r *reconciler) doubtReplacements() {
	if len(r.differ) == 0 {
		return
	}
	videos := make(map[string]bool)
	waiting := r.replacing.waiting()
	for _, d := range r.differ {
		if p, _ := r.open(d.videoNo); !p.replaces() && !videos[d.videoNo] {
			waiting++
		}
		videos[d.videoNo] = true
	}
	if tooMany(len(videos), r.shownLive) || tooMany(waiting, r.state.live()) {
		r.doubting = true
	}
}

// agree counts a sighting that agrees about a replacement held back, and reports whether it is the last it waited for.
func (r *reconciler) agree(o *Observation, p pending) bool {
	switch {
	case p.agreed >= heldSightings:
		return o.At > p.last
	case p.last == 0:
		p.last = o.At
	case o.At > p.last && o.At.Since(p.last) >= r.policy.Agree:
		p.agreed, p.last = p.agreed+1, o.At
	default:
		return false
	}
	if p.agreed >= heldSightings {
		return true
	}
	r.setPending(o.VideoNo, p)
	return false
}

// releaseReplacements believes the replacements held back; they are told when they are seen next.
func (r *reconciler) releaseReplacements() {
	now := max(r.state.latest, r.res.latest)
	release := func(no string) {
		if p, _ := r.open(no); p.replaces() {
			p.agreed, p.last = heldSightings, now
			r.setPending(no, p)
		}
	}
	for no := range r.state.pending {
		release(no)
	}
	for no := range r.res.pending {
		release(no)
	}
}

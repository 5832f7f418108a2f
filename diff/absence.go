package diff

import (
	"cmp"
	"slices"
)

const (
	// Deletions are held back when they are more than bulkVideos and more than one in bulkShare of the live videos.
	bulkVideos = 10
	bulkShare  = 5

	missesGone = 2              // how many misses make a video a candidate for deletion
	missesHeld = missesGone + 3 // how many it takes while deletions are held back
)

// absence is what speaks against a live video: that complete sweeps did not show it, and look-ups did not find it. It is kept in
// memory only, for the few videos that have some.
type absence struct {
	first  Time   // of the earliest miss
	last   Time   // of the last one that counted
	total  int64  // that the last one ended with
	sweep  uint32 // of the last one, whether it counted or not
	misses uint8  // how many count; 0 is no absence
}

// Hold is what is held back: deletions and replacements that are so many that the listing is doubted first. The zero Hold is none.
type Hold struct {
	Videos  int  // how many are waiting
	Agreed  int  // how many further complete sweeps have agreed about all of them
	Emptied bool // the source lists none of its videos any more
	// Replaced is how many of them are not gone, but show another creation time; what has agreed about those are sightings.
	Replaced int
}

// tally counts videos by how many of their misses count.
type tally [missesHeld + 1]int

func (t *tally) move(from, to absence) {
	t[from.misses]--
	t[to.misses]++
}

// missed is the number of videos that have misses.
func (t *tally) missed() int { return t[1] + t.candidates() }

// candidates is the number of videos that have enough of them to be deleted.
func (t *tally) candidates() int {
	n := 0
	for _, videos := range t[missesGone:] {
		n += videos
	}
	return n
}

func (t *tally) hold(live int) Hold {
	h := Hold{Videos: t.candidates(), Emptied: t.missed() == live}
	for h.Agreed < missesHeld-missesGone && t[missesGone+h.Agreed] == 0 {
		h.Agreed++
	}
	return h
}

// absence is what speaks against a video by now.
func (r *reconciler) absence(videoNo string) absence {
	if a, ok := r.res.absences[videoNo]; ok {
		return a
	}
	return r.state.absences[videoNo]
}

func (r *reconciler) setAbsence(videoNo string, a absence) {
	r.tally.move(r.absence(videoNo), a)
	if r.res.absences == nil { // most cycles need none
		r.res.absences = make(map[string]absence)
	}
	r.res.absences[videoNo] = a
}

// there ends all misses of a video that was seen when the first of them had begun. An older sighting contradicts none.
func (r *reconciler) there(videoNo string, at Time) {
	if len(r.state.absences) == 0 {
		return
	}
	if a := r.absence(videoNo); a.misses > 0 && at >= a.first {
		r.setAbsence(videoNo, absence{})
	}
}

// miss takes the misses of the cycle, those of earlier sweeps first. Before there is a baseline they say nothing.
func (r *reconciler) miss(misses []Miss) {
	for _, m := range misses {
		r.res.latest = max(r.res.latest, m.At)
	}
	if r.baselineAt == 0 || len(misses) == 0 {
		return
	}
	sorted := slices.SortedFunc(slices.Values(misses), func(a, b Miss) int {
		return cmp.Or(
			cmp.Compare(a.Sweep, b.Sweep), cmp.Compare(a.At, b.At), cmp.Compare(a.Total, b.Total), cmp.Compare(a.VideoNo, b.VideoNo),
		)
	})
	for _, m := range sorted {
		rec := r.record(m.VideoNo)
		if rec == nil || rec.Status == Deleted || r.overtaken(rec, m.At) || r.young(m.VideoNo, rec, m.At) {
			continue
		}
		if a := r.absence(m.VideoNo); m.Sweep > a.sweep {
			r.setAbsence(m.VideoNo, r.and(a, m))
		}
	}
}

// overtaken reports whether a request that began at a time is overtaken: by a change, or a sighting in the same second or later.
func (r *reconciler) overtaken(rec *Record, at Time) bool {
	moved := rec.moved()
	return moved >= at && !r.skewed(moved) || rec.shown >= second(at)
}

// and is an absence with one more miss. What has only total counts to prove it counts while they do not move.
func (r *reconciler) and(a absence, m Miss) absence {
	a.first, a.sweep = min(a.first, m.At), m.Sweep // the clock may have jumped back between them
	switch {
	case a.misses == 0 || a.misses < missesGone && m.Total != a.total:
		return absence{first: m.At, last: m.At, total: m.Total, sweep: m.Sweep, misses: 1}
	case a.misses < missesGone:
		a.misses++
	case !r.holding: // deletions are judged with this cycle
	case m.Total != a.total:
		a.total = m.Total
		return a
	case m.At.Since(a.last) < r.policy.Agree:
		return a
	default:
		a.misses = min(a.misses+1, missesHeld)
	}
	a.last, a.total = max(a.last, m.At), m.Total
	return a
}

// judge decides which videos are deleted.
func (r *reconciler) judge(in Input) {
	if in.Release && r.doubting {
		r.releaseReplacements()
	}
	if r.tally.missed() == 0 && !r.holding {
		return
	}
	switch {
	case in.Release && r.holding:
		r.deleteMissed(missesGone)
	case in.Judged == 0:
	case r.holding:
		r.deleteMissed(missesHeld)
	case tooMany(r.tally.missed()-r.tally.candidates(), r.live()):
		// Many vanished while a sweep went past them, or after it. The next tells which they are, to be held back together.
	case r.doubtful():
		r.holding = true
	case tooMany(r.tally.missed(), r.live()):
		// So did few, but they make the others many.
	default:
		r.deleteMissed(missesGone)
	}
	r.holding = r.holding && r.tally.candidates() > 0
}

// finishHold says what is held back by now.
func (r *reconciler) finishHold() {
	if r.holding {
		r.res.Hold = r.tally.hold(r.live())
	}
	if r.doubting && r.replacing.waiting() > 0 {
		r.res.Hold = r.replacing.with(r.res.Hold)
	}
}

// doubtful reports whether the listing must be doubted: it shows no video any more, or has lost many at once. Where there was only
// one, it is nothing special that this one is gone.
func (r *reconciler) doubtful() bool {
	gone, live := r.tally.candidates(), r.live()
	if gone > 0 && live > 1 && r.tally.missed() == live {
		return true
	}
	return tooMany(gone, live)
}

func tooMany(gone, of int) bool { return gone > bulkVideos && gone*bulkShare > of }

// live is the number of videos that are not deleted by now.
func (r *reconciler) live() int {
	n := r.state.live()
	for no, rec := range r.res.records {
		if old := r.state.videos[no]; old == nil || old.Status == Deleted {
			n++
		}
		if rec.Status == Deleted {
			n--
		}
	}
	return n
}

// deleteMissed announces the deletion of the videos that have so many misses.
func (r *reconciler) deleteMissed(misses uint8) {
	for _, no := range r.missed(misses) {
		r.delete(no)
	}
}

// missed lists the videos that have so many misses, longest gone first.
func (r *reconciler) missed(misses uint8) []string {
	var list []string
	for no, a := range r.state.absences {
		if _, moved := r.res.absences[no]; !moved && a.misses >= misses {
			list = append(list, no)
		}
	}
	for no, a := range r.res.absences {
		if a.misses >= misses {
			list = append(list, no)
		}
	}
	slices.SortFunc(list, func(a, b string) int {
		return cmp.Or(cmp.Compare(r.absence(a).last, r.absence(b).last), cmp.Compare(a, b))
	})
	return list
}

// delete announces that a video is gone, at the time of the miss that decided it.
func (r *reconciler) delete(videoNo string) {
	rec := r.record(videoNo)
	from, at := r.now(rec), r.absence(videoNo).last
	took, at := r.ran(rec, from, at), r.stamp(rec, at)
	rec.RunStart = 0
	r.settle(videoNo)
	r.emit(videoNo, rec, Deleted, Change{Kind: KindDeleted, Reason: ReasonGone, From: from, FromRaw: rec.Raw, At: at, Took: took})
}

// Hold returns what is held back now.
func (s *State) Hold() Hold {
	var h Hold
	if s.holding {
		h = s.tally.hold(s.live())
	}
	if s.doubting {
		h = s.replacing.with(h)
	}
	return h
}

// Unseen lists the live videos that a sweep did not show, and that did not change since before: what a complete sweep makes
// suspects. Those that changed longest ago come first. It costs nothing where the sweep showed all.
func (s *State) Unseen(sweep uint32, before Time) []string {
	if s.BaselineAt == 0 || s.sweep == sweep && s.shown == s.live() {
		return nil
	}
	var list []string
	limit := horizon(s.present)
	for no, r := range s.videos {
		if moved := r.moved(); r.Status != Deleted && r.sweep != sweep && (moved < before || moved > limit) {
			list = append(list, no)
		}
	}
	slices.SortFunc(list, func(a, b string) int {
		return cmp.Or(cmp.Compare(s.videos[a].moved(), s.videos[b].moved()), cmp.Compare(a, b))
	})
	return list
}

// live is the number of videos that are not deleted.
func (s *State) live() int { return len(s.videos) - s.counts[Deleted] }

func (s *State) setAbsence(videoNo string, a absence) {
	s.tally.move(s.absences[videoNo], a)
	setOrDelete(s.absences, videoNo, a, a.misses > 0)
}

// returned ends the misses of a video that the log tells something new of, and a hold that was about it alone.
func (s *State) returned(videoNo string) {
	if _, missed := s.absences[videoNo]; missed {
		s.setAbsence(videoNo, absence{})
		s.holding = s.holding && s.tally.candidates() > 0
	}
}

package diff

// pending is an observation that must be confirmed by another before it is believed: a lagging replica may have shown it. It
// is kept in memory only; after a restart two more observations are needed.
type pending struct {
	target  Status // None stands for another creation time
	created Time   // that creation time
	since   Time
	last    Time  // when the last sighting counted that agreed about a replacement held back
	agreed  uint8 // how many did
}

// replaces reports whether the doubt is about another video under the id.
func (p pending) replaces() bool { return p.target == None && p.created != 0 }

// sameAs reports whether two observations say the same, at whatever times.
func (p pending) sameAs(q pending) bool {
	return p.target == q.target && p.created.near(q.created)
}

// confirm reports whether an observation confirms an earlier one that said the same, and when that was. One that says
// something else starts over. One that comes late, after others that began after it, neither opens nor confirms anything:
// what contradicted it may be forgotten.
func (r *reconciler) confirm(o *Observation, rec *Record, says pending) (Time, bool) {
	if r.lags(o, rec) {
		r.res.Unconfirmed++
		return 0, false
	}
	if o.At < r.state.latest {
		r.res.Stale++
		return 0, false
	}
	open, ok := r.open(o.VideoNo)
	same := ok && open.sameAs(says)
	if same && o.At > open.since && o.At.Since(open.since) >= r.policy.Confirm {
		if !says.replaces() || !r.doubting || r.agree(o, open) {
			r.settle(o.VideoNo)
			return open.since, true
		}
	}
	r.res.Unconfirmed++
	if !same {
		says.since = o.At
		r.setPending(o.VideoNo, says)
	}
	return 0, false
}

// lags reports whether an observation may come from a replica that lags: it is seen to, or the last change is so young that one
// may not know of it yet.
func (r *reconciler) lags(o *Observation, rec *Record) bool {
	return r.lagging || r.young(o.VideoNo, rec, o.At)
}

// young reports whether at some time the last change was so young that a replica may not have known of it.
func (r *reconciler) young(videoNo string, rec *Record, at Time) bool {
	return rec.Version > 0 && at.Since(r.waitsSince(videoNo, rec)) < r.policy.Lag
}

func (r *reconciler) open(videoNo string) (pending, bool) {
	p, ok := r.res.pending[videoNo]
	if !ok {
		p = r.state.pending[videoNo]
	}
	return p, p != pending{}
}

// contradict ends the wait for a confirmation: the video shows what is recorded. An observation without a creation time says
// nothing about another one.
func (r *reconciler) contradict(o *Observation) {
	if p, ok := r.open(o.VideoNo); ok && o.At >= p.since && (p.target != None || o.CreatedAt != 0) {
		r.settle(o.VideoNo)
	}
}

func (r *reconciler) settle(videoNo string) {
	if _, ok := r.open(videoNo); ok {
		r.setPending(videoNo, pending{})
	}
}

func (r *reconciler) setPending(videoNo string, p pending) {
	old, _ := r.open(videoNo)
	r.replacing.move(old, p)
	r.res.pending[videoNo] = p
}

func (s *State) setPending(videoNo string, p pending) {
	s.replacing.move(s.pending[videoNo], p)
	setOrDelete(s.pending, videoNo, p, p != pending{})
}

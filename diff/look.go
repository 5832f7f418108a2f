package diff

// Look calls visit for every video with its record and present status, in no order, until it returns false. The record's marks of
// sightings are left out, so that it may be used while another goroutine reconciles; not while the state is moved. The record
// is only lent: keep a copy of what is wanted. Who holds a lock may let go of it within visit, and take it again: videos that come
// or go meanwhile are shown or not, all others once.
func (s *State) Look(visit func(videoNo string, r *Look) bool) {
	var l Look
	for no, r := range s.videos {
		l.fill(r)
		l.Status = s.statusOf(r)
		if !visit(no, &l) {
			return
		}
	}
}

// LookAt is Look for one video, and tells what is waited for as well.
func (s *State) LookAt(videoNo string) (l Look, known bool) {
	r := s.videos[videoNo]
	if r == nil {
		return Look{}, false
	}
	l.fill(r)
	l.Status, l.Wait = s.statusOf(r), s.waitOf(videoNo, r)
	return l, true
}

// Wait says what keeps something about a video from being told.
type Wait string

// What is waited for.
const (
	WaitNothing Wait = ""
	WaitWord    Wait = "word"         // its PARSE counts as processing until the source shows what it means
	WaitConfirm Wait = "confirmation" // it was seen to go back, or to be another one: the next sightings decide
	WaitMissing Wait = "missing"      // complete sweeps did not show it: the next ones decide whether it is gone
	WaitHold    Wait = "hold"         // the same, and so many are that the listing is doubted first
)

func (s *State) waitOf(videoNo string, r *Record) Wait {
	missed, doubted := s.absences[videoNo], s.pending[videoNo]
	switch {
	case s.holding && missed.misses >= missesGone, s.doubting && doubted.replaces():
		return WaitHold
	case missed.misses > 0:
		return WaitMissing
	case doubted != pending{}:
		return WaitConfirm
	case r.class == WordParse && s.statusOf(r).inFlight() && s.words.parse(&s.Evidence) == Unknown:
		return WaitWord
	}
	return WaitNothing
}

// Look is what can be told of a video: the fields of its Record, and the status that it has now, announced or not.
type Look struct {
	Name      string
	Raw       string
	Cause     string
	Duration  int64 // seconds
	Size      int64 // bytes
	CreatedAt Time
	FirstSeen Time
	ChangedAt Time
	RunStart  Time
	Version   uint32 // 0: nothing was announced
	Status    Status
	Stalled   bool
	Wait      Wait // of LookAt only
}

func (l *Look) fill(r *Record) {
	l.Name, l.Raw, l.Cause, l.Duration, l.Size = r.Name, r.Raw, r.Cause, r.Duration, r.Size
	l.CreatedAt, l.FirstSeen, l.ChangedAt, l.RunStart = r.CreatedAt, r.FirstSeen, r.ChangedAt, r.RunStart
	l.Version, l.Stalled = r.Version, r.Stalled
}

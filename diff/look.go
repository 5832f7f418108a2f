package diff

// Look calls visit for every video with its record and present status, in no order, until it returns false. The record's marks of
// sightings are left out, so that it may be used while another goroutine reconciles; not while the state is moved. The record
// is only lent: keep a copy of what is wanted.
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

// LookAt is Look for one video.
func (s *State) LookAt(videoNo string) (l Look, known bool) {
	r := s.videos[videoNo]
	if r == nil {
		return Look{}, false
	}
	l.fill(r)
	l.Status = s.statusOf(r)
	return l, true
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
}

func (l *Look) fill(r *Record) {
	l.Name, l.Raw, l.Cause, l.Duration, l.Size = r.Name, r.Raw, r.Cause, r.Duration, r.Size
	l.CreatedAt, l.FirstSeen, l.ChangedAt, l.RunStart = r.CreatedAt, r.FirstSeen, r.ChangedAt, r.RunStart
	l.Version, l.Stalled = r.Version, r.Stalled
}

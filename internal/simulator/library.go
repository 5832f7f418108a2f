package simulator

import (
	"cmp"
	"slices"
	"time"
)

// Bounds of what is remembered for stale replicas.
const (
	maxPast   = 32     // earlier states per video
	maxGraves = 20_000 // deleted videos per namespace
)

// rare: a word that fewer than one in this many have is looked up, not scanned for.
const rare = 16

// library is the content of one namespace. Records are kept in ascending order of their key and served from the end,
// so that a new upload is an append and page N is a slice.
type library struct {
	byNo   map[string]*record
	byRaw  map[string]map[*record]struct{} // what is in flight is few among many
	sorted []*record
	graves []*record
}

// record is a video with what it was before.
type record struct {
	video Video
	key   key
	added time.Time
	past  []past
	life  uint64
	gone  bool
	until time.Time // of its deletion
}

// past is a state that ended.
type past struct {
	until      time.Time
	raw, cause string
}

// key orders a library: by creation, or by a hash of the id where the order is shuffled.
type key struct {
	major int64
	minor uint64
}

func (k key) compare(other key) int {
	return cmp.Or(cmp.Compare(k.major, other.major), cmp.Compare(k.minor, other.minor))
}

func newLibrary() *library {
	return &library{byNo: map[string]*record{}, byRaw: map[string]map[*record]struct{}{}}
}

// index makes a record known by its id and its word.
func (l *library) index(r *record) {
	l.byNo[r.video.No] = r
	l.shelve(r)
}

func (l *library) shelve(r *record) {
	shelf, ok := l.byRaw[r.video.Raw]
	if !ok {
		shelf = map[*record]struct{}{}
		l.byRaw[r.video.Raw] = shelf
	}
	shelf[r] = struct{}{}
}

func (l *library) unshelve(r *record) {
	shelf := l.byRaw[r.video.Raw]
	delete(shelf, r)
	if len(shelf) == 0 {
		delete(l.byRaw, r.video.Raw)
	}
}

func (l *library) find(k key) (int, bool) {
	return slices.BinarySearchFunc(l.sorted, k, func(r *record, k key) int { return r.key.compare(k) })
}

// insert puts a record in its place; a living one of the same id must have been removed.
func (l *library) insert(r *record) {
	l.index(r)
	if n := len(l.sorted); n == 0 || l.sorted[n-1].key.compare(r.key) < 0 {
		l.sorted = append(l.sorted, r)
		return
	}
	at, _ := l.find(r.key)
	l.sorted = slices.Insert(l.sorted, at, r)
}

// insertAll puts many records in their places at the price of one sort. Of two with one id the later stays; it returns
// those that stayed.
func (l *library) insertAll(records []*record) []*record {
	for _, r := range records {
		l.byNo[r.video.No] = r
	}
	records = slices.DeleteFunc(records, func(r *record) bool { return l.byNo[r.video.No] != r })
	for _, r := range records {
		l.shelve(r)
	}
	l.sorted = append(l.sorted, records...)
	slices.SortFunc(l.sorted, newestLast)
	return records
}

func newestLast(a, b *record) int { return a.key.compare(b.key) }

func (l *library) remove(r *record, at time.Time) {
	r.gone, r.until = true, at
	delete(l.byNo, r.video.No)
	l.unshelve(r)
	if i, ok := l.find(r.key); ok {
		l.sorted = slices.Delete(l.sorted, i, i+1)
	}
	l.graves = append(l.graves, r)
	if len(l.graves) > maxGraves {
		l.graves = slices.Delete(l.graves, 0, maxGraves/2)
	}
}

// change gives a record another word and cause, and remembers those it had.
func (l *library) change(r *record, raw, cause string, at time.Time) {
	l.unshelve(r)
	defer l.shelve(r)
	if len(r.past) == maxPast {
		r.past = slices.Delete(r.past, 0, 1)
	}
	r.past = append(r.past, past{until: at, raw: r.video.Raw, cause: r.video.Cause})
	r.video.Raw, r.video.Cause = raw, cause
}

// at is the video as it was at an instant, if it was there.
func (r *record) at(t time.Time) (Video, bool) {
	if r.added.After(t) || r.gone && !r.until.After(t) {
		return Video{}, false
	}
	v := r.video
	for _, p := range r.past {
		if p.until.After(t) {
			v.Raw, v.Cause = p.raw, p.cause
			break
		}
	}
	return v, true
}

// asOf rebuilds the library of an earlier instant. It costs the whole library: only stale replicas ask.
func (l *library) asOf(t time.Time) *library {
	records := slices.Concat(l.sorted, l.graves)
	earlier := newLibrary()
	kept := records[:0]
	for _, r := range records {
		if v, ok := r.at(t); ok {
			kept = append(kept, &record{video: v, key: r.key})
		}
	}
	earlier.insertAll(kept)
	return earlier
}

// listing is one page and the count of all that match.
type listing struct {
	videos []Video
	total  int
}

// list answers a query. Without filters the cost is that of the page; with ids, that of the ids; with a status that is
// rare, that of those that have it; else one scan.
func (l *library) list(q query) listing { return l.page(q.unhidden(l.matches(q)), q) }

func (l *library) matches(q query) []*record {
	if q.ids != nil {
		return l.lookup(q)
	}
	if shelf := l.byRaw[q.status]; q.status != "" && len(shelf) < len(l.sorted)/rare {
		return matching(shelf, q)
	}
	if q.selective() {
		return l.scan(q)
	}
	return l.sorted
}

// unhidden leaves out what a fault hides.
func (q query) unhidden(records []*record) []*record {
	if len(q.hidden) == 0 {
		return records
	}
	return slices.DeleteFunc(slices.Clone(records), func(r *record) bool { return slices.Contains(q.hidden, r.video.No) })
}

func (l *library) scan(q query) []*record {
	var found []*record
	for _, r := range l.sorted {
		if q.matches(&r.video) {
			found = append(found, r)
		}
	}
	return found
}

func (l *library) lookup(q query) []*record {
	found := map[*record]struct{}{}
	for _, no := range q.ids {
		if r, ok := l.byNo[no]; ok {
			found[r] = struct{}{}
		}
	}
	return matching(found, q)
}

// matching sorts those of a set that match.
func matching(set map[*record]struct{}, q query) []*record {
	var found []*record
	for r := range set {
		if q.matches(&r.video) {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, newestLast)
	return found
}

// page cuts page q.page out of records that stand newest last.
func (l *library) page(records []*record, q query) listing {
	out := listing{total: len(records), videos: []Video{}}
	if q.page-1 > out.total/q.size {
		return out
	}
	first := (q.page - 1) * q.size
	for i := first; i < min(first+q.size, out.total); i++ {
		out.videos = append(out.videos, records[out.total-1-i].video)
	}
	return out
}

package poller

import (
	"slices"
	"time"

	"vidbell/diff"
	"vidbell/poller/memories"
)

const (
	// replicaLag is for how long after a change a replica of the platform may not know of it.
	replicaLag = 10 * time.Second
	// leadPatience is for how long a first page that lacks what led another is taken for one of a replica that lags. The video may
	// be gone: sweeps and look-ups find out.
	leadPatience = time.Minute
)

// lead is the video that led the newest first page.
type lead struct {
	videoNo string
	seen    time.Time
}

// lags reports whether a first page is older than one before it: it shows nothing that is new, and not the video that led that.
func (r *runner) lags(page memories.Page) bool {
	if r.order.other || len(page.Videos) == 0 {
		return false
	}
	l := &r.lead
	if l.videoNo != "" && time.Since(l.seen) < leadPatience && r.isLive(l.videoNo) && !shows(page, l.videoNo) && !r.isNews(page) {
		return true
	}
	*l = lead{videoNo: page.Videos[0].VideoNo, seen: time.Now()}
	return false
}

func (r *runner) isLive(videoNo string) bool {
	st := r.state.Status(videoNo)
	return st != diff.None && st != diff.Deleted
}

// isNews reports whether a page shows a video that is not known.
func (r *runner) isNews(page memories.Page) bool {
	return slices.ContainsFunc(page.Videos, func(v memories.Video) bool { return r.state.Status(v.VideoNo) == diff.None })
}

package poller

import (
	"time"

	"go.uber.org/zap"
)

const (
	// tellEvery is how often the log says how far the baseline has come, and showEvery how often the status does.
	tellEvery = 10 * time.Second
	showEvery = time.Second
	// paceMarks is over how many tellings the pace is taken: about a minute, so that an outage is soon forgotten.
	paceMarks = 6
)

// Progress is how far the walk of a baseline has come. The videos are those that are recorded: they stay after a restart, though
// the walk begins again.
type Progress struct {
	Since       time.Time     // when this walk began; zero before its first page
	Pages       int           // read by this walk
	TotalPages  int           // about how many it will have; 0 unknown
	Videos      int           // recorded, by earlier walks too
	TotalVideos int64         // by the platform's count; -1 unknown
	PerSecond   float64       // videos that pages showed a second, of late; 0 unknown
	Left        time.Duration // until the end at that pace; 0 unknown
}

// progress watches the walk of a baseline. Its zero value is ready.
type progress struct {
	walk  uint32 // number of the walk that is watched
	told  time.Time
	shown time.Time
	marks []mark // the oldest first
}

// mark is where a walk was at a time.
type mark struct {
	at            time.Time
	pages, videos int
}

func (p *progress) follow(w *sweep) {
	if p.walk != w.number || len(p.marks) == 0 {
		*p = progress{walk: w.number, told: w.started, shown: p.shown}
		p.mark(w, time.Now())
	}
}

// mark notes where the walk is.
func (p *progress) mark(w *sweep, now time.Time) {
	p.marks = append(p.marks, mark{at: now, pages: w.pages, videos: w.received})
	p.marks = p.marks[max(0, len(p.marks)-paceMarks):]
}

// pace is pages and videos a second, 0 as long as there is nothing to tell it from.
func (p *progress) pace(w *sweep, now time.Time) (pages, videos float64) {
	from := p.marks[0]
	took := now.Sub(from.at).Seconds()
	if took <= 0 || w.pages <= from.pages {
		return 0, 0
	}
	return float64(w.pages-from.pages) / took, float64(w.received-from.videos) / took
}

// progressNow is how far the baseline has come; nil once it is complete.
func (r *runner) progressNow() *Progress {
	if r.state.BaselineAt != 0 {
		return nil
	}
	p := &Progress{Videos: r.state.Len(), TotalVideos: -1}
	w := r.sweep
	if w == nil || w.pages == 0 {
		return p
	}
	r.progress.follow(w)
	p.Since, p.Pages, p.TotalVideos = w.started, w.pages, w.total
	if w.total > 0 {
		p.TotalPages = max(w.pages, w.expectedPages(r.PageSize, 0))
	}
	pages, videos := r.progress.pace(w, time.Now())
	p.PerSecond = videos
	if pages > 0 && p.TotalPages > 0 {
		p.Left = time.Duration(float64(p.TotalPages-p.Pages) / pages * float64(time.Second)).Round(time.Second)
	}
	return p
}

// tellProgress says now and then how far the baseline has come.
func (r *runner) tellProgress(w *sweep) {
	r.progress.follow(w)
	now := time.Now()
	if now.Sub(r.progress.shown) >= showEvery {
		r.progress.shown = now
		r.publishStatus(time.Time{}, nil)
	}
	if now.Sub(r.progress.told) < tellEvery {
		return
	}
	p := r.progressNow()
	r.progress.told = now
	r.progress.mark(w, now)
	if p == nil {
		return
	}
	r.log.Info("walking the baseline", zap.Int("pages", p.Pages), zap.Int("of_pages", p.TotalPages), zap.Int("videos", p.Videos),
		zap.Int64("of_videos", p.TotalVideos), zap.Float64("videos_per_second", float64(int(p.PerSecond*10))/10),
		zap.Duration("left", p.Left))
}

package poller

import (
	"time"

	"vidbell/poller/memories"
)

const (
	// orderAfter is how many first pages in a row must say so before we change our mind about the order of the listing.
	orderAfter = 3
	// sameMoment is how far apart creation times may be in the wrong order: videos are stored when their upload ends.
	sameMoment = time.Minute
)

// order is whether the listing shows the newest first, as every known one does and none promises.
type order struct {
	other   bool // it does not
	against int  // first pages in a row that say otherwise
}

// judge takes in a first page. It reports whether that changed the mind.
func (o *order) judge(page memories.Page) bool {
	newest, known := newestFirst(page)
	if !known {
		return false
	}
	if newest != o.other {
		o.against = 0
		return false
	}
	if o.against++; o.against < orderAfter {
		return false
	}
	o.other, o.against = !o.other, 0
	return true
}

// newestFirst reports whether a page is in that order, as far as its creation times tell: a few videos out of place are no
// other order.
func newestFirst(page memories.Page) (newest, known bool) {
	pairs, wrong := 0, 0
	var last time.Time
	for _, v := range page.Videos {
		if v.CreatedAt.IsZero() {
			continue
		}
		if !last.IsZero() {
			pairs++
			if v.CreatedAt.Sub(last) > sameMoment {
				wrong++
			}
		}
		last = v.CreatedAt
	}
	return wrong*4 <= pairs, pairs > 0
}

// lookAtOrder judges the order by the first page of a walk.
func (r *runner) lookAtOrder(page memories.Page) {
	if !r.order.judge(page) {
		return
	}
	if r.order.other {
		r.log.Warn("the listing is not newest first: new videos are found by sweeps only, which take all of the quota")
		return
	}
	r.log.Info("the listing is newest first")
}

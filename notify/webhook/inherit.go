package webhook

import "maps"

// inherit makes a lane, which has not begun, go on where one with other settings has ended: its health and breaker, its pace, and
// what may be called back. Another URL is another receiver, of which nothing is known.
func (l *lane) inherit(before *lane) {
	before.healthMu.Lock()
	defer before.healthMu.Unlock()
	l.healthMu.Lock()
	defer l.healthMu.Unlock()
	before.retired, l.inherited = true, true
	l.dirty = before.dirty
	l.rate, l.latest = before.rate, before.latest
	l.rate.SetLimit(l.target.limit())
	l.replays.rate, l.replays.latest = l.rate, l.latest
	l.hold(l.ofThisURL(before.health))
	if l.target.urlHash == before.target.urlHash {
		l.gate.inherit(before.gate)
		l.takeStrays(before)
		l.replays.takeStrays(before.replays)
	}
	l.takeLine(before.lastLine())
	l.replays.arrived.takeOver(&before.replays.arrived)
	l.showState()
}

func (l *lane) takeStrays(before *lane) {
	before.mu.Lock()
	defer before.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	maps.Copy(l.strays, before.strays)
}

func (s *idSet) takeOver(before *idSet) {
	before.mu.Lock()
	defer before.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ids = maps.Clone(before.ids)
}

// lastLine is what a lane that has ended knew of the order of what it sent back; nil if it cannot know all.
func (l *lane) lastLine() *line {
	if l.line == nil || l.line.events == nil || !l.isClean() {
		return nil
	}
	return l.line
}

// takeLine goes on with the line of a lane before: what went back to the engine comes again in whatever order.
func (l *lane) takeLine(before *line) {
	if l.line != nil && before != nil {
		l.line, l.lineKnown = before, true
	}
}

// retire keeps what still knows a lane that has ended from speaking for its endpoint.
func (l *lane) retire() {
	l.healthMu.Lock()
	defer l.healthMu.Unlock()
	l.retired = true
}

func (l *lane) isRetired() bool {
	l.healthMu.Lock()
	defer l.healthMu.Unlock()
	return l.retired
}

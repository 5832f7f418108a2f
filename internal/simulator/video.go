package simulator

import "time"

// Video is one item of a library.
type Video struct {
	No        string    // empty: VI and a snowflake of CreatedAt
	Name      string    // empty: one that looks like a real upload
	CreatedAt time.Time // zero: now
	DurationS int64     // seconds; 0: something plausible
	Size      int64     // bytes; 0: something plausible
	Raw       string    // any word; empty: Words.Processing. Null, Absent and Empty are literal
	Cause     string    // empty: none, written as Options.Cause says. Null, Absent and Empty are literal
	Life      []Step    // what happens to it later
	Callback  string    // loopback URL; empty: that of its namespace
}

// Step is one turn in the life of a video.
type Step struct {
	After  time.Duration // since the step before, for the first since Add; 0: at once
	Raw    string        // the new word; empty: unchanged
	Cause  string        // the new cause; empty: none
	Delete bool          // the video vanishes, and its life ends
}

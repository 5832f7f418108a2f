package simulator

import (
	"strconv"
	"time"
)

// The platform's ids are snowflakes: milliseconds since 2021-01-01 UTC above 22 low bits. The id is drawn some 50 ms
// after create_time in all three rows of the documented sample.
const (
	snowflakeEpoch = 1609459200000
	snowflakeShift = 22
	snowflakeDelay = 50
	snowflakeAges  = 1 << 40 // ms, 35 years
)

// snowflakes draws ids in creation order, also for videos of one millisecond.
type snowflakes struct{ next uint64 }

func (f *snowflakes) draw(created time.Time) string {
	ms := created.UnixMilli() + snowflakeDelay - snowflakeEpoch
	if ms < 0 {
		ms += snowflakeAges // a test clock, which starts in 2000: ids as long and as ordered as any
	}
	id := uint64(ms)<<snowflakeShift | f.next&(1<<snowflakeShift-1)
	f.next++
	return "VI" + strconv.FormatUint(id, 10)
}

// mix hashes a text with the seed: stable choices per item, without keeping any.
func mix(seed uint64, text string) uint64 {
	h := seed ^ 14695981039346656037
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * 1099511628211
	}
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	return h ^ h>>33
}

package simulator

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// uploadName invents a stored name: the platform drops the extension and keeps the rest.
func uploadName(rng *rand.Rand) string {
	switch rng.IntN(6) {
	case 0:
		return fmt.Sprintf("IMG_%04d", rng.IntN(10_000))
	case 1:
		return someDay(rng).Format("VID_20060102_150405")
	case 2:
		return fmt.Sprintf("%06d-%09d_tiny", rng.IntN(1_000_000), rng.IntN(1_000_000_000))
	case 3:
		return someDay(rng).Format("Screen Recording 2006-01-02 at 15.04.05")
	case 4:
		return fmt.Sprintf("GX%02d%04d", 1+rng.IntN(4), rng.IntN(10_000))
	default:
		return pick(rng, "warehouse_cam", "interview", "product-demo", "match_highlights", "lecture", "drone", "unboxing") +
			fmt.Sprintf("_%02d_", 1+rng.IntN(40)) + pick(rng, "final", "v2", "1080p", "raw", "cut", "export")
	}
}

func someDay(rng *rand.Rand) time.Time {
	return time.Date(2025, time.January, 1, 0, 0, rng.IntN(500*24*3600), 0, time.UTC)
}

// failureCause invents what the platform says of a failure.
func failureCause(rng *rand.Rand) string {
	return pick(rng,
		"video codec not supported", "video stream not found", "audio track is corrupted",
		"moov atom not found", "download source returned 403", "video duration exceeds the limit", "parse timeout",
	)
}

func pick(rng *rand.Rand, from ...string) string { return from[rng.IntN(len(from))] }

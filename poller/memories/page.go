package memories

import (
	"fmt"
	"math"
	"time"
)

const (
	// maxItems is fifty of the largest documented pages: 16 MiB of tiny items would otherwise grow to many times that.
	maxItems = 10_000

	// minItemBytes is about what an item without a name takes; it sizes the page before its items are counted.
	minItemBytes = 100
)

// Page is one answer of the platform.
type Page struct {
	// Videos are in the platform's order, each id once.
	Videos []Video
	// Number and Size are current_page and page_size as the platform echoes them, 0 if it does not. A Size below the one
	// asked for means that the platform caps it.
	Number, Size int
	// Total is total_count, the videos that match the query; -1 if unknown.
	Total int64
	// Received counts the items as they came, with repeated and skipped ones: a page walk judges short pages by it.
	Received int
	// Skipped counts the items left out because they had no usable id.
	Skipped int
	// StartedAt is when the request started: the time of every observation in the page.
	StartedAt time.Time
	// Elapsed is how long request, answer and decoding took.
	Elapsed time.Duration
}

// parsePage reads the data of a successful envelope.
func parsePage(data []byte) (Page, *Error) {
	if !isObject(data) {
		return Page{}, malformed("data is no object")
	}
	var videos, number, numberCamel, size, sizeCamel, total, totalCamel []byte
	for key, value := range members(data) {
		switch string(key) {
		case "videos":
			videos = value
		case "current_page":
			number = value
		case "currentPage":
			numberCamel = value
		case "page_size":
			size = value
		case "pageSize":
			sizeCamel = value
		case "total_count":
			total = value
		case "totalCount":
			totalCamel = value
		}
	}
	if !isArray(videos) {
		return Page{}, malformed("data.videos is no array")
	}
	page := Page{
		Number: pageNumber(firstOf(number, numberCamel)),
		Size:   pageNumber(firstOf(size, sizeCamel)),
		Total:  integerOr(firstOf(total, totalCamel), -1),
	}
	return page.withVideos(videos)
}

func malformed(message string) *Error { return &Error{Class: ClassMalformed, Message: message} }

// pageNumber reads an echoed page or size; what no page can have is unknown.
func pageNumber(raw []byte) int {
	if n := integerOr(raw, 0); n <= math.MaxInt32 {
		return int(n)
	}
	return 0
}

// withVideos reads the items: bounded, each id once, the later item winning at the place of the first.
func (p Page) withVideos(raw []byte) (Page, *Error) {
	expected := min(len(raw)/minItemBytes, defaultSize)
	seen := make(map[string]int, expected)
	p.Videos = make([]Video, 0, expected)
	for item := range elements(raw) {
		if p.Received++; p.Received > maxItems {
			return Page{}, &Error{Class: ClassTooLarge, Message: fmt.Sprintf("more than %d items in one page", maxItems)}
		}
		v := parseVideo(item)
		if v.VideoNo == "" {
			p.Skipped++
			continue
		}
		if at, again := seen[v.VideoNo]; again {
			p.Videos[at] = v
			continue
		}
		seen[v.VideoNo] = len(p.Videos)
		p.Videos = append(p.Videos, v)
	}
	return p, nil
}

// Package memories asks the Memories.ai platform for one page of its video listing and says exactly what came back.
//
//	client, err := memories.New(memories.Config{BaseURL: "https://api.memories.ai", APIKey: key, UserAgent: "vidbell/1.2.3"})
//	page, err := client.List(ctx, memories.Query{UniqueID: "default", Page: 1, Size: 200})
//	switch class := memories.ClassOf(err); {
//	case err == nil:              // page.Videos is what the platform said
//	case class.Account():         // stop every source of this key, alert, probe slowly
//	case memories.Retryable(err): // the same request may be sent again, after a pause
//	}
//
// # Promise
//
// A Page is returned with a nil error only if the platform said success in every way it has: an HTTP status of 2xx, one
// whole JSON document and nothing after it, code "0000", failed not true, success not false, and data.videos an array.
// Everything else is an *Error. So an empty Page.Videos with Received 0 means an explicit empty array, never an error, an
// outage, a cut connection or a field that moved.
//
// List sends one HTTP request and follows no redirect: the quota of the account belongs to the caller, and so do
// retries. (The one repetition left is the transport's own: a kept connection found closed before a byte of the request
// was written.) Nothing is cached and no state is kept between calls; a Client may be used by many goroutines.
//
// # What is accepted
//
// The platform's fields, types and spellings have moved while its path stayed (API v1.1, v1.2, the pages and OpenAPI file
// of 2026), so decoding is liberal where nothing can be misread:
//
//   - Either spelling of a key: video_no or videoNo, video_name or videoName, status or videoStatus, create_time or
//     createTime, total_count or totalCount, current_page or currentPage, page_size or pageSize. If both are there, the
//     first of the pair wins unless it is empty. A key twice in one object: the last one. Unknown keys are ignored.
//   - A number as number, string or null. Text that is no number is an unknown value, which spoils no page: 0, and -1 for
//     Page.Total. A video_no that comes as a number keeps its digits, also beyond 2^53.
//   - cause absent, null, "null" or "": none. A status absent, null or "null": "".
//   - create_time in milliseconds. A value below 1e11 is taken for seconds (as milliseconds it would lie before March
//     1973). What then lies before March 1973 or past the year 9999 is unknown, the zero time.
//   - code as string or number. The numbers 0 and 200, which sibling hosts of the platform use for success, count as
//     success under all the other conditions above; the strings "0" and "200" have been seen nowhere and do not.
//   - Bytes that are not UTF-8 become U+FFFD.
//
// An item without an id, with an id over 512 bytes, or that is no object is counted in Page.Skipped and left out. The same
// id twice in one page is one video: the later item's data, at the place of the first. Page.Received counts every item,
// before any of this, because a short page is how a page walk finds its end.
//
// # What is refused
//
// data null, videos missing or null under code "0000" is ClassMalformed. It is what the platform's other endpoints answer
// for an unknown id, but for a list it would read as an empty library.
//
// # Bounds
//
// A body is read up to 16 MiB after decompression, a page holds up to 10,000 items, the client's own transport reads up to
// 64 KiB of response headers, and the whole exchange lasts up to Config.Timeout. Ids are bounded by skipping, names, causes
// and status words by cutting at a rune. Text of the platform in an Error is cut to 200 runes, with control characters
// escaped.
//
// # The key
//
// It is sent raw in the Authorization header, to the configured host only. It is in no error, even when the platform
// quotes it back, and not in what fmt prints of a Client or Config.
//
// # What is not promised
//
// The order of Videos is the platform's. RawStatus is its word, unmapped. Filters may be ignored by the platform; the
// caller checks that an answer is a subset of what was asked. A wrong UniqueID answers with a real, empty success, and the
// platform creates the namespace.
package memories

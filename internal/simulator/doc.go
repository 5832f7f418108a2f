// Package simulator is a stateful stand-in for the list call of Memories.ai, POST /serve/api/v1/list_videos.
//
// The product speaks HTTP to it as it would to the platform; nothing of the product is replaced. Tests, the demo
// command and the simulate command use it. It keeps one library per namespace (unique_id), shared by all accounts,
// moves videos through scripted lives, holds a quota per account, and misbehaves by script.
//
//	sim, err := simulator.New(simulator.Options{Keys: []string{"sk-mavi-test"}})
//	no := sim.Add("default", simulator.Video{Life: []simulator.Step{
//		{After: 20 * time.Second, Raw: "PARSE"},
//	}})
//	server := httptest.NewServer(sim)                       // over a socket
//	client := &http.Client{Transport: sim.RoundTripper()}   // or in process, also in a testing/synctest bubble
//
// # Time
//
// Lives follow Options.Now, time.Now by default. Every request first settles all steps that are due, each stamped with
// its own instant; a step costs O(log n) when it is due and nothing before. Steps count from the step before, the
// first from Add. [Simulator.Run] also settles between requests; it is needed for callbacks only. Delays, pauses and
// hangs are real timers, thus fake ones in a bubble.
//
// # What a request passes
//
// Path, method, key, quota, parameters, fault, list: each may answer, and what comes later then sees nothing of the
// request. A refused key spends no quota; a fault does, and is not used up by a throttled request. Every request is
// logged ([Simulator.Requests], [Simulator.Counts]). Hooks ([Simulator.OnServe], [Simulator.AfterPage]) run when an
// answer is settled and before it is sent.
//
// # Quirks
//
// The numbers are those of the list of quirks that the client has to survive.
//
//	 1 three spellings of failure     Options.Words: WordsListed (default), WordsPlain, WordsLegacy, WordsCode; per
//	                                  video any word in Video.Raw, Step.Raw or Set
//	 2 unknown status                 any word; Null, Absent and Empty are literal
//	 3 64-bit integers as strings     Options.Form: FormV12 (strings), Form2026 (numbers), FormMixed (string, number
//	                                  or null from item to item; also current_page and page_size)
//	 4 four ways to have no cause     Options.Cause; per video Video.Cause, Step.Cause or Set with Null, Absent, Empty
//	                                  or the text "null"
//	 5 camelCase                      Options.Casing; callbacks are camelCase always
//	 6 errors in HTTP 200             FaultCode with any code (Minimal: only code and msg), FaultNullData, FaultEmpty
//	                                  (a false empty list), FaultContradicted (code 0000, failed true), FaultShort,
//	                                  FaultTotal, FaultNoID
//	 7 0001 fatal and transient       FaultCode{Code: "0001"} once; page 0, size 0 and the like always
//	 8 infrastructure                 FaultHTTP (Spring body), FaultHTML, FaultSlow, FaultDrip, FaultHang, FaultCut,
//	                                  FaultBroken, FaultReset, FaultHuge; GET is a 405, a wrong path a 0001
//	 9 429 in many forms              Options.QuotaPerSecond with Throttle (0429 in 200, HTTP 429, integer 429, text
//	                                  only) and RetryAfter; or FaultCode and FaultHTTP with the same
//	10 401 in two forms               Options.HTTPAuthErrors; FaultCode 0401, 0402, 0403, 9009 with Account, Times -1
//	11 wrong namespace                any unique_id is created and empty; "unique" is ignored, so default answers
//	12 pages over a growing list      AfterPage or OnServe with Add and Delete; FaultRepeat repeats a page
//	13 order not promised             Options.Shuffled: a fixed order by a hash of the id
//	14 cap of size                    Options.MaxPageSize with SizePolicy: clamp, clamp and hide it, refuse
//	15 keys come and go               Form2026 and, for some items, FormMixed: video_url, tags, bucket, camera data,
//	                                  once the word is Words.Done
//	16 no update time                 Video.Life, also of steps After 0 that nobody can see; FaultStale for a replica
//	                                  that lags by Age or stands still at AsOf
//	17 silent deletion                Delete, Step.Delete; Add of a known id is a new upload; FaultHide, of Lane walk, for
//	                                  listings that leave out what a look-up finds
//	18 status goes back               Step.Raw, Set, SetLife with any word; Rename for another name
//	19 filters                        video_nos is ignored unless Form2026; Options.IgnoredFilters, StatusFilter,
//	                                  MaxVideoNos; metadata filters hide what is not parsed
//	20 callbacks                      Options.Callbacks and Run: on upload and when parsed, both PARSE (FAIL on
//	                                  failure); DropUpload, DropParse, Repeat; to loopback only
//	21 code as a number               Options.IntegerCode; Fault.Integer
//
// # Control
//
// [Simulator.ControlHandler] lets another process do the same. Bodies are JSON, unknown fields are refused, durations
// are texts such as "1m30s", and a mistake is a 400 {"error": "field: problem"}. There is no authentication.
//
//	GET    /_sim                     form, words, namespaces with their counts
//	GET    /_sim/videos              ?namespace=default&limit=100: newest first
//	POST   /_sim/videos              {"namespace", "video_no", "video_name", "status", "cause", "created_at", "duration",
//	                                 "size", "callback", "life": [{"after", "status", "cause", "delete"}]}, all optional
//	PATCH  /_sim/videos/{ns}/{no}    {"status", "cause", "life"}: a status without a cause clears the cause
//	DELETE /_sim/videos/{ns}/{no}
//	GET    /_sim/faults              those still to be played
//	POST   /_sim/faults              {"kind", ...}: the fields of Fault in snake_case, e.g.
//	                                 {"kind": "code", "code": "0429", "times": 3, "retry_after": "2s"}
//	DELETE /_sim/faults              all is well again
//	GET    /_sim/requests            ?limit=100: counts and the last requests
//	DELETE /_sim/requests            start counting anew
//
// # Traffic
//
// [Traffic] keeps uploading videos that live and fail as on a busy platform; [Simulator.Fill] puts in a library that was
// there before. Everything random follows Options.Seed.
//
// # Cost
//
// A page of a walk costs what it shows, whatever the size of the library; ids and rare
// statuses are looked up in maps; name filters, common statuses and a stale replica scan the library. At most 20,000 deleted videos per namespace and 32 earlier states
// per video are remembered for stale replicas.
package simulator

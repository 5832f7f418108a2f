// Package web is vidbell's own HTTP server: health, metrics, sources, videos, events, endpoints, deliveries, and hints.
//
//	GET  /                            what there is, as plain text
//	GET  /livez, /healthz             the process is alive: 200 as long as its loops turn, whatever NATS or the platform do
//	GET  /readyz                      200 when every check is good, else 503; the body lists the checks
//	GET  /metrics                     Prometheus
//	GET  /v1/openapi.json, .yaml      this API, described for programs; docs/openapi.yaml
//	GET  /v1/status                   the service and all its parts, and what needs attention
//	GET  /v1/accounts                 how each key to the platform is used
//	GET  /v1/sources                  what every source is doing, as JSON
//	POST /v1/sources/{name}/release   believe the deletions that a source holds back
//	GET  /v1/videos                   what is known of videos now; filters and cursor as parameters
//	GET  /v1/videos/{source}/{no}     one video, what it waits for, and its events
//	GET  /v1/events                   stored events, the newest first; filters and cursor as parameters
//	GET  /v1/events/{id}              one event, and where its deliveries are shown
//	GET  /v1/events/stream            events as they come, as server-sent events
//	GET  /v1/endpoints                how every webhook endpoint fares
//	POST /v1/endpoints/{name}/enable  let it have its deliveries again; /disable keeps them, /test sends one that is marked as a test
//	GET  /v1/deliveries               the attempts, the newest first; filters and cursor as parameters
//	GET  /v1/dead-letters             what was given up
//	POST /v1/replay                   deliver once more, or only count
//	GET  /v1/why                      why has this not arrived?
//	POST /v1/hints/<secret>           a callback of the platform; only where a secret is set, and listed nowhere
//
// # Who may ask
//
// The health pages are open: probes carry no credentials, and they say nothing but names and states. So is the description of the
// API, which is no secret. The hint page is for
// whoever knows its address: the platform can send no header, and calls by a public name. Everything else asks for
// "Authorization: Bearer <token>" when a token is set; the configuration demands one for any address but loopback. Where
// none is set, a page open in a browser on the same machine must neither read nor change what is there: there is no CORS,
// requests whose Host is neither localhost nor an IP address are refused, which stops DNS rebinding, and so is what changes
// something when the browser says that a page of another site sends it.
//
// # Hints
//
// The platform's callbacks are unsigned, and may be early, doubled, lost or forged. [Hints] reads an id out of one and hands
// it to its [Hinter], which looks at that video sooner than it would have; nothing else of a callback is believed, or even
// read. Wrong secrets are compared in constant time and get the 404 of any unknown page. Both those who know the secret and
// those who do not are held to a rate, apart from each other. The secret is in no log line, metric, error or listing.
//
// # The stream of events
//
// A client of GET /v1/events/stream reads the log at its own pace; nothing is kept for it, and nothing is dropped. It is told at
// once where it begins, by an id without an event, and then with each event where it is: with the last id as Last-Event-ID it goes
// on exactly there, after a restart too. Where that cannot be, "event: vidbell.gap" says why before anything else. A comment
// every 15 s shows that the stream lives. Who takes nothing for 30 s is cut off, there are at most 64 streams, and the end of the
// service ends them at once.
//
// # Behaviour
//
// The listener is opened by [Listen], before anything else is started, so that a taken port is known early and port 0
// can be asked for. [Server.Run] ends when its context does: no new requests, those under way get a bounded time.
//
// Requests are bounded: 8 KiB of path and query (414), 16 KiB of header (431), 128 KiB of body (413), 5 s for the header, 15 s for
// all of it (408). Every error is an RFC 9457 problem document: also those of the standard library's handlers, of a page that
// panicked, and of a request that net/http refuses before a page sees it. A page below /v1 refuses parameters and fields that
// it does not know, by their names; one that is given twice; and bodies of another type than application/json (415). HEAD is
// answered where GET is. OPTIONS is not: a browser that asks whether a page of another site may do something is never told that
// it may.
//
// # The description
//
// docs/openapi.yaml describes every page. TestEveryPageIsDescribedAndTheOtherWayRound and TestEveryAnswerIsAsDescribed hold it
// to the handlers, and the clients of all tests here hold each exchange to it (package contract). A new page is described
// there, and called in the tests by everything.add and good.
package web

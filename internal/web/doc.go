// Package web is vidbell's own HTTP server: health, metrics, and room for an API.
//
//	GET /         what there is, as plain text
//	GET /healthz  the process is alive: 200 as long as it can answer, whatever NATS or the platform do
//	GET /readyz   200 when every check is good, else 503; the body lists the checks
//	GET /metrics  Prometheus
//
// # Who may ask
//
// The health pages are open: probes carry no credentials, and they say nothing but names and states. Everything else
// asks for "Authorization: Bearer <token>" when a token is set; the configuration demands one for any address but
// loopback. Where none is set, a page open in a browser on the same machine must not read what is there: there is no
// CORS, and requests whose Host is neither localhost nor an IP address are refused, which stops DNS rebinding.
//
// # Behaviour
//
// The listener is opened by [Listen], before anything else is started, so that a taken port is known early and port 0
// can be asked for. Requests are bounded in header size, body size and time. Errors are RFC 9457 problem documents.
// [Server.Run] ends when its context does: no new requests, those under way get a bounded time.
package web

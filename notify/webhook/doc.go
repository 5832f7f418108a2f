// Package webhook delivers the log's events to webhook receivers: signed by the Standard Webhooks rules, each at its own
// pace, again and again until the receiver took them or the schedule is used up.
//
// # Promise
//
// An event appended after an endpoint was prepared reaches that endpoint at least once, or is kept as a dead letter with the
// reason. Every attempt of it has the same id (webhook-id, the event's own) and the same bytes; timestamp and signature are
// the attempt's. Delivered means a 2xx whose answer was read; only then is the event acknowledged to the engine. A receiver
// that hangs or fails delays nobody but itself. Secrets, and the user info and query of a URL, reach no log, metric, error or
// stored record.
//
// # How it works
//
// An endpoint is a lane: its limits, its gate, its signing keys. One durable pull consumer on the log (and one on the stream
// of ops events, when its globs ask for them) holds its position; a feed asks that consumer for as many events as the lane
// can start soon, and tells the engine every three seconds that it still works on what it holds. What the engine hears
// nothing of for ten seconds it hands out again: that is how a killed process loses nothing.
//
// The life of one delivery:
//
//	          append                    2xx, answer read
//	(log) ------------> WAITING ---+---------------------------> DELIVERED    acknowledged, record deleted
//	                     ^  | slot |
//	  stop, pause, 410:  |  | free | no attempt is spent
//	  handed back        |  v      |
//	                   ATTEMPT ----+ 5xx, 408, 425, 429, 3xx, network, TLS, timeout, body: whole schedule
//	                     ^         | other 4xx: the first four steps
//	                     |         v
//	  next_at is over    +------ RETRY     attempt record written, then handed back with a delay; holds no slot
//	                               |
//	                               | schedule used up; 4xx four times; 415, 501 or a blocked address at once
//	                               v
//	                             DEAD      record says so, then the letter is stored, then the event is acknowledged
//
// An attempt counts when its request was made and we did not break it off ourselves. The count stands in the attempt record,
// not in the engine's delivery count, which also grows with restarts and hand-backs. The first attempt of a delivery, if it
// succeeds, reads and writes nothing but its acknowledgement.
//
// The gate of a lane:
//
//	ACTIVE --- Retry-After ---> PAUSED    until the moment asked for, for the whole endpoint, at most the delivery's window
//	ACTIVE --- 410 -----------> DISABLED  until the endpoint's URL changes or Enable is called
//
// Neither spends an attempt or drops an event, and both survive a restart: they are kept beside the attempt records.
//
// # What is kept where
//
//	stream                subject                      holds
//	VIDBELL_RETRY         vidbell.retry.<ep>.<event>   attempts made of an unfinished delivery; gone when it is over
//	                      vidbell.retry.<ep>._hold     why the endpoint is paused or disabled
//	VIDBELL_DEAD          vidbell.dead.<ep>.<event>    the event's body, and Vidbell-* headers that say why
//
// Both have one message per subject and hold 30 days, VIDBELL_DEAD at most 1 GiB, VIDBELL_RETRY at most 256 MiB; the oldest go
// first. A record that went is an attempt count that starts over. Limits changed by an operator stay changed.
//
// # What happens when
//
//	the process is killed       what was under way is repeated within ten seconds of the next start. So is what was
//	                            acknowledged in the last tenth of a second: the engine writes positions down ten times a second
//	the process is stopped      intake ends, requests under way have the grace period, everything else is handed back
//	the engine is away          attempts under way end; nothing new starts; it is asked again after 0.1 s to 5 s, for ever
//	a record cannot be written  the attempt goes uncounted: more attempts than the schedule says, never fewer
//	a letter cannot be written  it is tried again every 30 s, without another attempt
//	a consumer is deleted       it is made again behind the last position known (at most 5 s old): repeats, no gap
//	the clock is set back       no delivery waits longer than the wait that was decided for it
//	two processes, one engine   they share each endpoint's consumer: every event goes to one of them
//
// # Where we connect
//
// The address is checked as it is dialled, after all name resolution, with mapped, NAT64, 6to4 and compatible forms decoded.
// Loopback and private addresses are fine. Link-local, metadata, multicast and reserved addresses are not, unless
// Config.AllowNetworks names them; nor is plain http to a public address. No proxy is used, no redirect followed.
//
// # What is sent
//
// Endpoint.Format says: the event's own bytes (standard, cloudevents), or what a preset makes of it for people (slack, discord,
// teams), for on-call tools (pagerduty, alertmanager) or by the operator's template. A preset is a pure function of the event
// and the endpoint's settings: a retry sends the same bytes, after a restart too, unless the settings changed. An event that
// cannot be rendered becomes a dead letter of the class render without an attempt. docs/webhooks.md shows each format.
//
// Every secret signs: whsec_ as v1, whsk_ as v1a. A trace begins with the event and has a span for each attempt. With
// HandshakeOrigin nothing is sent before the receiver agreed (CloudEvents web hooks, "Abuse Protection"); a refusal is a failed
// attempt, and the rate that was granted limits the endpoint.
//
// Presets for people tell several events in one message, by GroupWait and GroupMax:
//
//	            group_wait over, or group_max events           2xx
//	COLLECTING -------------------------------------> WRITTEN -----> DELIVERED     each event acknowledged
//	    |        record: events, body, claim           |    ^
//	    |                                              v    | next_at is over; claimed by compare-and-set
//	    | stop, pause: each event handed back         RETRY-+
//	    v                                              |
//	(the log)                                          +-----------> DEAD          a letter for each event, then acknowledged
//
// The record (vidbell.retry.<ep>._group.<id>.<settings>) is written before the first attempt, so that no crash can tell an event
// in two messages: whoever is handed the event finds the group that it is in, sends that under its one id, or learns that it was
// sent. Until the message was answered every event of it is unacknowledged. Of several processes one sends: the others find the
// claim. A claim that a kill leaves behind stands for the endpoint's timeout and five seconds. The record is kept a little longer
// than the group, because a kill may take back the last acknowledgements.
//
// PagerDuty has one incident for each video, source or endpoint, opened and resolved by one key; Alertmanager has one alert for
// each condition of each, and a request may list several. Neither is merged into a message of ours: their users acknowledge,
// silence and group them there.
//
// # What is not promised
//
// Order: events go out in the log's order, several at a time, and a retry is overtaken. Exactly once: receivers deduplicate by
// webhook-id. A consumer deleted while no process runs is a new endpoint to the next one, and begins with events from then. One
// deleted while old events are unfinished repeats later ones, and of those the ones that were told in groups long ago may then
// be told in other groups.
package webhook

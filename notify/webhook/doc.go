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
// An endpoint is a lane: its limits, its gate, its signing keys. A feed brings it the events of the log (another one those of the
// stream of ops events, when its globs ask for them), as many as it can start soon, and answers for each. Where the endpoint
// stands outlives the process, and is kept in one of two ways:
//
//	Config.Exclusive  a cursor: the first event that was never given, and those before it that are not over, with the times at
//	                  which they are due. The engine gives the events out through a reader that it keeps in memory and
//	                  that acknowledges nothing. The cursors of all endpoints are written down together, as often as a
//	                  small part of processors and disk allows: some milliseconds after a change, a tenth of a
//	                  second on a slow disk. This is how it is with an engine inside the process, which nobody else delivers from.
//	otherwise         a durable pull consumer of the engine, which processes share: every event goes to one of them. The feed tells
//	                  the engine every three seconds that it still works on what it holds. What the engine hears nothing
//	                  of for ten seconds it hands out again.
//
// A consumer costs the engine a message each way for every event and endpoint, and a file, synced and renamed, ten times a second
// for each endpoint at work. A cursor costs a hundred busy endpoints one small write together. docs/figures.md has the difference.
// An installation may move from one keeper to the other and back: what the first knew is taken over.
//
// Types and sources are subjects of the consumer or reader: what an endpoint did not ask for is never given. Its expression is
// asked before the first attempt of each event; one that fails has the event delivered. In what follows, to send an event back
// is to have it given again after a time, whoever keeps the place.
//
// The life of one delivery:
//
//	(log) appended, and given: the endpoint asked for its type and its source
//	  |
//	  v        the expression says no
//	WAITING ----------------------------------> FILTERED    over
//	  | ^ ^ ^
//	  | | | +----- PARKED      an earlier event of its video is not over (OrderVideo): sent back, called back, holds no slot
//	  | | +------- HANDED BACK stop, pause, open breaker, disabled: sent back as it came, no attempt is spent
//	  | |
//	  | | next_at is over, or the receiver is back
//	  | +--------- RETRY       the attempt record is written, then it is sent back with a delay, holds no slot
//	  |              ^
//	  | turn, slot,  | 5xx, 408, 425, 429, 3xx, network, TLS, timeout, body: the whole schedule
//	  | rate, gate   | other 4xx: the first four steps; 410: when the endpoint is enabled again
//	  v              |
//	ATTEMPT ---------+------------------------> DELIVERED   2xx, the answer read: over, then the record is deleted
//	(a PROBE, when   |
//	the breaker is   | the schedule, or its part, used up; 415, 501, or a blocked address at once
//	open)            v
//	               DEAD        the record says so, then the letter is stored, then the event is over
//
// Over means acknowledged to the consumer, or taken out of the cursor. An attempt counts when its request was made and we did not
// break it off ourselves. The count stands in the attempt record, not in the count of givings, which also grows with restarts and
// hand-backs. The first attempt of a delivery, if it succeeds, reads and writes nothing. Attempts that only found an outage going on, probes and early
// retries, are counted and spend no step of the schedule: nothing is given up because a receiver is away.
//
// The states of an endpoint, which all its deliveries share:
//
//	         5 failures in a row: network, TLS, timeout, 5xx, 408, 425, 429
//	ACTIVE ------------------------------------------------> DEGRADED   endpoint.degraded; what failed since the last
//	 |  ^  <------------------------------------------------  |   |     success is called back from its schedule; one
//	 |  |    any 2xx: endpoint.recovered; what failed in      |   |     delivery at a time probes after 1 s, and ever
//	 |  |    the outage goes first, one delivery at a time,   |   |     more seldom up to 1 min as the outage grows
//	 |  |    then one more with each success                  |   |     older, never before a Retry-After
//	 |  |                                                     |   |
//	 |  +---- PAUSED   Retry-After, for the whole endpoint, at most to the end of the delivery's window
//	 |                                                        |   |
//	 |  410, 5 days without one success, Disable              |   |
//	 +-----------------------------> DISABLED <---------------+---+     endpoint.disabled
//	                                    |
//	                                    | Enable, or another URL
//	                                    v
//	                                 ACTIVE    one delivery at a time at first; endpoint.recovered when one is taken
//
// None of them spends a step or drops an event, and all survive a restart. Refusals (other 4xx, 3xx) neither open the breaker
// nor close it: after a probe that is refused the next delivery probes a second later.
//
// # What is kept where
//
//	stream                subject                      holds
//	VIDBELL_HEALTH        vidbell.health.<ep>          the endpoint's state, and endpoint.* events not yet told; for good
//	VIDBELL_POSITIONS     vidbell.position.sheet.<n>   the cursors of up to 128 endpoints and streams; for good
//	VIDBELL_POSITIONS     vidbell.position.page.<ep>.<stream>  what an endpoint has open, where that is more than 256 events
//	VIDBELL_RETRY         vidbell.retry.<ep>.<event>   attempts made of an unfinished delivery; gone when it is over
//	VIDBELL_DEAD          vidbell.dead.<ep>.<event>    the event's body, and Vidbell-* headers that say why
//	VIDBELL_OPS           vidbell.ops.<type>.<ep>      the endpoint.* events
//	VIDBELL_DELIVERIES    vidbell.deliveries.<ep>      the delivery log: pages of attempts, one JSON object a line
//	VIDBELL_REPLAY        vidbell.replay.<ep>.<event>  events queued to be delivered once more; gone when that is over
//	VIDBELL_HEALTH        vidbell.health.<ep>.served   what the endpoint was given so far (see Replay); for good
//	VIDBELL_HEALTH        vidbell.health.<ep>.replaying  who is queueing a replay at this moment
//
// Each has one message per subject, VIDBELL_OPS and VIDBELL_DELIVERIES apart. VIDBELL_DEAD, VIDBELL_RETRY and
// VIDBELL_DELIVERIES hold 30 days, the first at most 1 GiB, the second 256 MiB, the third 512 MiB; the oldest go first. A
// record that went is an attempt count that starts over. VIDBELL_REPLAY drops nothing: at 1 GiB it refuses. Limits changed by
// an operator stay changed.
//
// The delivery log is written behind the deliveries' back: an attempt leaves its line in memory, and all lines of a fifth of a
// second are stored together. While the engine is away up to 16 MiB of lines wait; what comes after is counted
// (vidbell_webhook_log_lost_total) and missing from the log. A crash takes the lines of the last moment along, never an event.
//
// # Replay
//
// A replay queues events in VIDBELL_REPLAY, and a lane of its own delivers them: it shares the endpoint's slots, rate, breaker
// and health, has attempt records and groups apart from the live ones, keeps a pace, and lets live deliveries go first:
//
//	QUEUED --> WAITING --> ATTEMPT --> DELIVERED   the dead letter, if there was one, is removed, then the queue lets go
//	             ^            |
//	             +-- RETRY ---+------> DEAD        another letter in place of the old one
//
// The letter goes first and the queue lets go when it is gone, so that what arrived is never listed for good. What a kill meets
// between the answer and that is listed, as queued, until the ack wait is over: then it is delivered once more, at most as many as
// were under way. A letter that cannot be removed is tried again without another request.
//
// An event is in the queue once per endpoint, so that a request made twice adds nothing twice. Requests of several processes for
// one endpoint take turns, so that none chooses what another has queued and had delivered meanwhile. With OrderVideo one event is
// under way at a time, and none passes one that waits for its next attempt.
//
// What an endpoint is missing cannot be told from the delivery log, which forgets, nor from a consumer's position, which says
// nothing of what came before the consumer or did not meet the settings of its time. So it is written down for good what an
// endpoint was given: not event by event, but as spans of the log with the types, sources and expression that held there, a
// new one for each change of them, for each consumer or cursor, and for each replay by conditions. Given is what a consumer or the queue
// had: they let go of nothing that is neither delivered nor dead. An event is missing when the endpoint wants it now, and
// either no span has it and the delivery log does not show it delivered, or there is a dead letter of it. Where proof is
// wanting an event counts as missing, and a receiver may get it twice: after 100 changes of an endpoint's settings, for events
// that were replayed by id alone more than 30 days ago, and for up to a minute before a consumer was deleted. A dead letter
// that aged out counts as given.
//
// # Changes of the list
//
// [Dispatcher.Apply] goes on with other endpoints. One that is changed or left out takes nothing more, its requests under way end
// by themselves, and what waits goes back to the engine; one that is changed goes on with its health, breaker, pace and the order
// of its videos. Each does so for itself, so that a receiver that hangs keeps no other waiting, and what is the same is not touched.
// The consumer, the backlog, queued replays, letters and health of one that is left out stay for the day it comes back.
//
// # What happens when
//
//	the process is killed       what was under way is repeated: at once by the next start, or, with consumers, within ten seconds.
//	                            So is what was over in the last moment, before it was written down: milliseconds with a cursor,
//	                            some tenths of a second while hundreds of endpoints drain a backlog on busy processors;
//	                            a tenth of a second when a server that keeps consumers is killed as well
//	the process is stopped      intake ends, requests under way have the grace period, everything else is handed back
//	the engine is away          attempts under way end; nothing new starts; it is asked again after 0.1 s to 5 s, for ever
//	a record cannot be written  the attempt goes uncounted: more attempts than the schedule says, never fewer
//	a letter cannot be written  it is tried again every 30 s, without another attempt
//	the process is killed       the event is handed out again, and is over: letters of the last ten seconds before a start's newest
//	behind a letter             one are looked at
//	the delivery log is full,   deliveries go on, and the log has a gap
//	deleted or cannot be written
//	a consumer is deleted       it is made again behind the last position known (at most 5 s old): repeats, no gap
//	positions are deleted       a process at work writes them anew; a start goes back to what was noted a minute ago or less
//	positions cannot be written deliveries go on, and a kill repeats what came after the last that were written
//	somebody reads from a       the gap is seen, and what is missing read again
//	cursor's reader
//	the clock is set back       no delivery waits longer than the wait that was decided for it
//	two processes, one engine   (never Exclusive) they share each endpoint's consumer: every event goes to one of them. Each finds out for
//	                            itself that a receiver is away, and one of them tells; that it was disabled, enabled or
//	                            paused, or has recovered, reaches the other within five seconds
//
// # Where we connect
//
// The address is checked as it is dialled, after all name resolution, with mapped, NAT64, 6to4 and compatible forms decoded.
// Loopback and private addresses are fine. Link-local, metadata, multicast and reserved addresses are not, unless
// Config.AllowNetworks names them; nor is plain http to a public address, unless the endpoint says InsecureHTTP. An endpoint
// that is PublicOnly gets https to public addresses and nothing else. Endpoints under different rules share no connections.
// No proxy is used, no redirect followed.
//
// # Order and pace
//
// Events go out in the log's order, several at a time, and a retry is overtaken. With OrderVideo an event waits until the
// earlier ones of its video are delivered or dead. It waits as PARKED, sent back, holds no slot, and is called back when its turn
// comes. A start with a cursor knows all that the run before left unfinished. With a consumer a parked event comes within half a
// minute if the process that would call it is gone, and for as long after a kill it is uncertain what was left: then the log is
// asked for earlier events of a video, and they are waited for. Two processes that share an endpoint keep the order of what each of them is handed, not the order between them.
//
// With RateLimit requests are spread evenly. A delivery that waits for its time has a slot, and is handed back on a stop.
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
// Exactly once: receivers deduplicate by webhook-id. A consumer deleted while no process runs is a new endpoint to the next
// one, and begins with events from then. One deleted while old events are unfinished repeats later ones, and of those the ones
// that were told in groups long ago may then be told in other groups.
package webhook

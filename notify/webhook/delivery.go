package webhook

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"vidbell/notify/tracing"
)

// What a consumer may answer to a message. They are published on the message's reply subject; a lost one means that the
// engine hands the message out again after ackWait.
var (
	ackDone     = []byte("+ACK")
	ackNak      = []byte("-NAK")
	ackProgress = []byte("+WPI")
)

// delivery is one event on its way to one endpoint, from the moment the engine hands it over until it is answered for.
type delivery struct {
	id          string
	subject     string
	contentType string
	body        []byte
	stream      string
	seq         uint64 // in its stream
	handed      uint64 // how often the engine has handed it out, this time included
	stored      time.Time
	taken       time.Time
	video       string        // whose line it stands in; empty without order
	wait        time.Duration // that it was sent back with
	over        bool          // acknowledged
	group       string        // the webhook-id of the message that told it together with others
	groupSize   int
	replay      bool
	parent      string // the traceparent of its append, if there is one

	conn     *nats.Conn
	reply    atomic.Pointer[string] // where the engine waits for an answer
	cursor   *cursor                // or who does
	epoch    uint64                 // of the cursor
	answered atomic.Bool
}

// ticket is where a delivery that was sent back with a wait is called back; the zero one is for none.
type ticket struct {
	reply      string
	cursor     *cursor
	seq, epoch uint64
}

func (t ticket) valid() bool { return t != ticket{} }

// hurry ends the wait.
func (t ticket) hurry(conn *nats.Conn) {
	if t.cursor != nil {
		t.cursor.hurry(t.seq, t.epoch)
		return
	}
	_ = conn.Publish(t.reply, nakAfter(atOnce)) // lost: it waits its time
}

// ticket is for the delivery as it was handed out this time.
func (d *delivery) ticket() ticket {
	if d.cursor != nil {
		return ticket{cursor: d.cursor, seq: d.seq, epoch: d.epoch}
	}
	return ticket{reply: *d.reply.Load()}
}

func newDelivery(conn *nats.Conn, msg *nats.Msg, meta *nats.MsgMetadata, now time.Time) *delivery {
	d := &delivery{
		id:          msg.Header.Get(jetstream.MsgIDHeader),
		subject:     msg.Subject,
		contentType: msg.Header.Get(contentTypeHeader),
		body:        msg.Data,
		parent:      msg.Header.Get(tracing.Header),
		stream:      meta.Stream,
		seq:         meta.Sequence.Stream,
		handed:      meta.NumDelivered,
		stored:      meta.Timestamp,
		taken:       now,
		conn:        conn,
	}
	d.reply.Store(&msg.Reply)
	return d
}

func (d *delivery) mission(past record) mission {
	return mission{id: d.id, number: past.Attempts + 1, parent: d.parent, replay: d.replay}
}

func (d *delivery) position() position { return position{d.stream, d.seq} }

// done says that the delivery is over. Only a 2xx that was read, or a stored dead letter, comes here.
func (d *delivery) done() {
	d.over = true
	if d.cursor != nil {
		d.answered.Store(true)
		d.cursor.done(d.seq, d.epoch)
		return
	}
	d.answer(ackDone)
}

// handBack returns the delivery as it came: nothing was sent, no attempt is spent.
func (d *delivery) handBack() { d.later(atOnce) }

// later returns the delivery, to be handed out again after a wait.
func (d *delivery) later(wait time.Duration) {
	d.wait = max(wait, atOnce)
	if d.cursor != nil {
		d.answered.Store(true)
		d.cursor.later(d.seq, d.epoch, d.wait)
		return
	}
	d.answer(nakAfter(d.wait))
}

// working keeps the engine from handing the delivery out a second time while it is held here. Sent behind a delay, it would
// cut the delay short.
func (d *delivery) working() {
	if !d.answered.Load() {
		d.publish(ackProgress)
	}
}

// answer is the last word on this handing out; the engine may hand the delivery out again at once.
func (d *delivery) answer(text []byte) {
	d.answered.Store(true)
	d.publish(text)
}

// publish fails only when the connection is closed for good, or a reconnection has buffered all it can. Either way the engine
// hears nothing and hands the message out again: nothing is lost by ignoring it.
func (d *delivery) publish(text []byte) { _ = d.conn.Publish(*d.reply.Load(), text) }

// atOnce is a wait that is none, except that the engine writes it down: after a restart of the engine it still stands, where
// it would otherwise wait for the wait before it, or for the ack wait.
const atOnce = time.Millisecond

func nakAfter(wait time.Duration) []byte {
	return fmt.Appendf(nil, "%s {\"delay\": %d}", ackNak, wait.Nanoseconds())
}

package webhook

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	pullExpires   = 30 * time.Second
	pullHeartbeat = 5 * time.Second
	pullSilence   = 2*pullHeartbeat + time.Second // then the request is taken for lost
)

var (
	errConsumerGone = errors.New("the durable consumer is gone")
	errNoAnswer     = errors.New("the engine does not answer")
)

func (f *feed) begin(now time.Time) {
	inbox := f.conn.NewInbox()
	sub, err := f.conn.ChanSubscribe(inbox, f.arrivals)
	if err != nil {
		f.fail(err)
		return
	}
	f.sub, f.inbox, f.asked, f.heard = sub, inbox, 0, now
	f.shut = make(chan struct{})
	if l := f.lane.line; l != nil {
		l.open(f.lane.now())
	}
	f.lane.showState()
}

// close gives the subscription up. What the engine sent before it learns of that still arrives, and is handed back.
func (f *feed) close() {
	if f.sub == nil {
		return
	}
	close(f.shut)
	f.sub.SetClosedHandler(func(string) {
		select {
		case f.drained <- struct{}{}:
		default:
		}
	})
	if f.sub.Drain() == nil {
		f.draining++
	}
	f.sub, f.asked = nil, 0
}

type pullRequest struct {
	Batch     int           `json:"batch"`
	Expires   time.Duration `json:"expires"`
	Heartbeat time.Duration `json:"idle_heartbeat"`
}

// pull requests so many messages of a consumer.
func pull(conn *nats.Conn, next, inbox string, batch int) error {
	request, err := json.Marshal(pullRequest{Batch: batch, Expires: pullExpires, Heartbeat: pullHeartbeat})
	if err != nil {
		return err
	}
	return conn.PublishRequest(next, inbox, request)
}

// ask requests as many messages as there is room for, a few at a time: each request costs the engine as much as a message.
func (f *feed) ask(now time.Time) {
	room := f.room - len(f.held) - f.asked
	if f.sub == nil || room < max(1, f.room/4) {
		return
	}
	if err := pull(f.conn, f.next, f.inbox, room); err != nil {
		f.fail(err)
		return
	}
	if f.asked == 0 {
		f.heard = now
	}
	f.asked += room
}

// nextSubject is where a consumer is asked for messages.
func nextSubject(js jetstream.JetStream, stream, consumer string) string {
	return apiPrefix(js) + "CONSUMER.MSG.NEXT." + stream + "." + consumer
}

// deleteSubject is where the engine is told that a consumer is not needed any more.
func deleteSubject(js jetstream.JetStream, stream, consumer string) string {
	return apiPrefix(js) + "CONSUMER.DELETE." + stream + "." + consumer
}

func apiPrefix(js jetstream.JetStream) string {
	prefix := jetstream.DefaultAPIPrefix
	switch opts := js.Options(); {
	case opts.Domain != "":
		prefix = "$JS." + opts.Domain + ".API."
	case opts.APIPrefix != "":
		prefix = strings.TrimSuffix(opts.APIPrefix, ".") + "."
	}
	return prefix
}

// status handles the protocol's control messages. Those of a request that was given up mean nothing any more.
func (f *feed) status(code string, msg *nats.Msg) {
	if f.sub == nil || msg.Subject != f.inbox {
		return
	}
	f.heard = time.Now()
	left, err := readStatus(code, msg)
	switch f.asked = max(0, f.asked-left); {
	case err != nil:
		f.fail(err)
	case left == 0:
		f.alive(f.heard)
	}
}

// statusOf is the code of a control message, empty for any other.
func statusOf(msg *nats.Msg) string {
	if len(msg.Data) > 0 {
		return ""
	}
	return msg.Header.Get("Status")
}

// readStatus reads a control message: a heartbeat, or the end of a request, and what is left of it then.
func readStatus(code string, msg *nats.Msg) (left int, err error) {
	left, err = strconv.Atoi(msg.Header.Get("Nats-Pending-Messages"))
	switch {
	case code == "100":
		return 0, nil
	case code == "503":
		return 0, errNoAnswer
	case err == nil:
		return left, nil
	default:
		return 0, errors.New("pull request refused: " + msg.Header.Get("Description"))
	}
}

package notify

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// What is removed while it is read was counted, and never comes.
func TestForwardDoesNotWaitForWhatWasRemoved(t *testing.T) {
	e := startEngine(t, t.TempDir())
	js, err := jetstream.New(e.Conn)
	must(t, err)
	stream, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}, Storage: jetstream.MemoryStorage})
	must(t, err)
	const count = 2*forwardBatch + 1
	for i := range count {
		_, err := js.Publish(t.Context(), fmt.Sprintf("s.%d", i), nil)
		must(t, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	got := 0
	must(t, Forward(ctx, js, "S", jetstream.ConsumerConfig{}, func(jetstream.Msg) bool {
		if got++; got == 1 {
			must(t, stream.Purge(t.Context()))
		}
		return true
	}))
	if got > forwardBatch { // fewer, where the engine had not sent them all
		t.Errorf("%d messages came, where the second batch of %d was removed", got, forwardBatch)
	}
}

func TestForwardBeginsAndEndsWhereItIsTold(t *testing.T) {
	e := startEngine(t, t.TempDir())
	js, err := jetstream.New(e.Conn)
	must(t, err)
	_, err = js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}, Storage: jetstream.MemoryStorage})
	must(t, err)
	for i := range 6 {
		_, err := js.Publish(t.Context(), fmt.Sprintf("s.%d", i), nil)
		must(t, err)
	}
	var got []string
	from := jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: 3}
	must(t, Forward(t.Context(), js, "S", from, func(msg jetstream.Msg) bool {
		got = append(got, msg.Subject())
		return len(got) < 2
	}))
	if fmt.Sprint(got) != "[s.2 s.3]" {
		t.Errorf("got %v", got)
	}
}

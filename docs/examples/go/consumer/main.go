// Command consumer reads finished videos from the log of vidbell, each of them at least once, and does its work once.
//
//	go run ./docs/examples/go/consumer
//
// NATS_URL (nats://127.0.0.1:4222), NATS_USER and NATS_PASSWORD, and INBOX, the folder that stands for the work: ./inbox.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"vidbell/notify/event"
)

// name is the durable consumer's: one per service.
const name = "transcoder"

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "consumer:", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	inbox, err := openInbox(cmp.Or(os.Getenv("INBOX"), "inbox"))
	if err != nil {
		return err
	}
	nc, err := nats.Connect(cmp.Or(os.Getenv("NATS_URL"), nats.DefaultURL), nats.MaxReconnects(-1),
		nats.UserInfo(os.Getenv("NATS_USER"), os.Getenv("NATS_PASSWORD")),
		nats.CustomInboxPrefix("_INBOX."+name)) // so that it needs leave to read no answers but its own
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	var names event.Names // set its fields where VIDBELL_INSTANCE or VIDBELL_SUBJECT_PREFIX are set
	// It goes on where it stopped, and processes that share its name share the work.
	consumer, err := js.CreateOrUpdateConsumer(ctx, names.Stream(), jetstream.ConsumerConfig{
		Durable:       name,
		FilterSubject: names.Videos(event.Filter{Type: event.TypeDone}), // video.done.>
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       30 * time.Second, // longer than the work takes, or it is handed out again meanwhile
	})
	if err != nil {
		return err
	}
	consuming, err := consumer.Consume(func(m jetstream.Msg) { handle(inbox, m) })
	if err != nil {
		return err
	}
	<-ctx.Done()
	consuming.Drain() // finish what is here
	<-consuming.Closed()
	return nil
}

// handle acknowledges a message after the work, so that a crash in between repeats it.
func handle(inbox *os.Root, m jetstream.Msg) {
	e, err := event.ParseVideo(m.Data())
	if err == nil && m.Headers().Get(event.HeaderID) != e.ID {
		err = errors.New("a message that vidbell did not write")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "not for us:", err)
		_ = m.Term() // it will never be
		return
	}
	if err := work(inbox, e, m.Data()); err != nil {
		fmt.Fprintln(os.Stderr, e.ID, err)
		_ = m.NakWithDelay(5 * time.Second)
		return
	}
	_ = m.Ack() // lost on the way, the message comes again
}

// work is safe to repeat: what was done for an id is not done again. Here it is a file; in a database it is a row with the id as
// its unique key, written in the transaction of the work.
func work(inbox *os.Root, e event.Video, body []byte) error {
	file := e.ID + ".json"
	if _, err := inbox.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		return err // done before, or unknown
	}
	if err := inbox.WriteFile(file+".new", body, 0o600); err != nil {
		return err
	}
	fmt.Println(e.ID, e.Type, e.Data.VideoNo, e.Data.VideoName)
	return inbox.Rename(file+".new", file)
}

// openInbox opens a folder that no name leads out of.
func openInbox(dir string) (*os.Root, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	return os.OpenRoot(dir)
}

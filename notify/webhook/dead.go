package webhook

import (
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"vidbell/notify"
)

// Headers of a dead letter. Its data is the event's body, byte for byte; Nats-Msg-Id is endpoint and event id, and of a
// replay's letter the time of its last attempt.
const (
	HeaderEndpoint     = "Vidbell-Endpoint"
	HeaderEventID      = "Vidbell-Event-Id"
	HeaderEventSubject = "Vidbell-Event-Subject"
	HeaderEventStored  = "Vidbell-Event-Stored" // when the log took the event, RFC 3339
	HeaderReason       = "Vidbell-Reason"       // a Reason
	HeaderClass        = "Vidbell-Class"        // the last attempt's Class
	HeaderStatus       = "Vidbell-Status"       // the last answer's HTTP status, 0 for none
	HeaderDetail       = "Vidbell-Detail"
	HeaderAttempts     = "Vidbell-Attempts"
	HeaderFirstAttempt = "Vidbell-First-Attempt" // RFC 3339
	HeaderLastAttempt  = "Vidbell-Last-Attempt"  // RFC 3339
	HeaderExcerpt      = "Vidbell-Excerpt"       // the beginning of the last answer's body, base64
	HeaderGroup        = "Vidbell-Group"         // webhook-id of the message that told the event together with others: their letters have the same
	HeaderGroupSize    = "Vidbell-Group-Size"    // how many they were
)

const contentTypeHeader = "Content-Type"

// deadLetter is what is published in place of a delivery that is given up.
func deadLetter(names notify.Names, endpoint string, d *delivery, r record) *nats.Msg {
	header := nats.Header{
		jetstream.MsgIDHeader: {endpoint + "." + d.id},
		HeaderEndpoint:        {endpoint},
		HeaderEventID:         {d.id},
		HeaderEventSubject:    {d.subject},
		HeaderEventStored:     {stamp(d.stored)},
		HeaderReason:          {string(r.Dead)},
		HeaderClass:           {string(r.LastClass)},
		HeaderStatus:          {strconv.Itoa(r.LastStatus)},
		HeaderDetail:          {asciiText(r.LastDetail)},
		HeaderAttempts:        {strconv.Itoa(r.Attempts)},
		HeaderFirstAttempt:    {stamp(r.FirstAt)},
		HeaderLastAttempt:     {stamp(r.LastAt)},
	}
	if d.replay { // another letter than the one that was replayed, however soon it comes
		header[jetstream.MsgIDHeader] = []string{endpoint + "." + d.id + "." + stamp(r.LastAt)}
	}
	if d.contentType != "" {
		header[contentTypeHeader] = []string{d.contentType}
	}
	if len(r.Excerpt) > 0 {
		header[HeaderExcerpt] = []string{base64.StdEncoding.EncodeToString(r.Excerpt)}
	}
	if d.group != "" {
		header[HeaderGroup], header[HeaderGroupSize] = []string{d.group}, []string{strconv.Itoa(d.groupSize)}
	}
	return &nats.Msg{Subject: names.DeadSubject(endpoint, d.id), Header: header, Data: d.body}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// bury stores the dead letter. The stream keeps one message per subject, so that a repeat after a crash replaces it.
func bury(ctx context.Context, js jetstream.JetStream, names notify.Names, endpoint string, d *delivery, r record) error {
	_, err := js.PublishMsg(ctx, deadLetter(names, endpoint, d, r), jetstream.WithExpectStream(names.DeadStream()))
	if err != nil {
		return fmt.Errorf("write dead letter: %w", err)
	}
	return nil
}

// asciiText escapes what a header may not carry.
func asciiText(s string) string {
	quoted := strconv.QuoteToASCII(s)
	return quoted[1 : len(quoted)-1]
}

package app

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"vidbell/internal/web"
)

// TailOptions are what the tail command is given.
type TailOptions struct {
	Type, Source, Video string
	Since               string // in the words of people, see parseWhen; empty: from now on
	JSON                bool   // one event a line, as subscribers get it
}

const (
	// comeBackFirst and comeBackMost bound the pause before the service is asked again.
	comeBackFirst = 500 * time.Millisecond
	comeBackMost  = 5 * time.Second
	// silence is how long a stream may say nothing: the service says at least that it is there, every 15 s.
	silence = 45 * time.Second
	// maxEventLine bounds one line of a stream, in bytes.
	maxEventLine = 1 << 20
)

// Tail is the tail command: events as they come, until ctx ends. When the service goes it is waited for, and what happened
// meanwhile is shown when it is back.
func Tail(ctx context.Context, out, info io.Writer, o TailOptions) error {
	t, err := newTail(out, info, o)
	if err != nil {
		return failed(err)
	}
	err = t.run(ctx)
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		err = nil // which is how it ends
	}
	return failed(err)
}

type tail struct {
	service *running
	query   url.Values
	print   func(body []byte) error
	info    printer
	last    string // the last id: of an event, or of the beginning
	met     bool   // the service has answered once
}

func newTail(out, info io.Writer, o TailOptions) (*tail, error) {
	q := url.Values{}
	for name, text := range map[string]string{"type": eventTypesOf(o.Type), "source": o.Source, "video_no": o.Video} {
		if text != "" {
			q.Set(name, text)
		}
	}
	since, err := parseWhen(o.Since, time.Now())
	if err != nil {
		return nil, &ExitError{Code: ExitUsage, Err: fmt.Errorf("--since: %w", err)}
	}
	if since != "" {
		q.Set("since", since)
	}
	service, err := findRunning("VIDBELL_HTTP_TOKEN")
	if err != nil {
		return nil, err
	}
	p := newPrinter(out)
	t := &tail{service: service, query: q, info: newPrinter(info)}
	t.print = func(body []byte) error {
		text := eventLine(p, body, time.Now())
		if o.JSON {
			text = escapeJSON(string(body))
		}
		_, err := fmt.Fprintln(out, text)
		return err
	}
	return t, nil
}

// eventTypesOf is eventType for a list.
func eventTypesOf(text string) string {
	kinds := strings.Split(text, ",")
	for i := range kinds {
		kinds[i] = eventType(strings.TrimSpace(kinds[i]))
	}
	return strings.Join(kinds, ",")
}

func (t *tail) run(ctx context.Context) error {
	pause, said := comeBackFirst, false
	for {
		err := t.listen(ctx, func() {
			if said {
				t.info.line("the service is back")
			}
			pause, said = comeBackFirst, false
		})
		var exit *ExitError
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case !t.met && !errors.Is(err, errUnready), errors.As(err, &exit), errors.Is(err, errPrinting):
			return err
		case !said:
			t.info.line("the service is away, waiting for it: %v", err)
			said = true
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		pause = min(2*pause, comeBackMost)
	}
}

var (
	errPrinting = errors.New("cannot print")
	errEnded    = errors.New("the stream ended")
	errSilent   = errors.New("the stream fell silent")
	errUnready  = errors.New("it is starting or stopping")
)

// listen reads one stream to its end. opened is called when it is there.
func (t *tail) listen(ctx context.Context, opened func()) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(silence, func() { cancel(errSilent) })
	defer watch.Stop()
	c := call{method: http.MethodGet, path: "/v1/events/stream", query: t.query}
	req, err := t.service.request(ctx, c)
	if err != nil {
		return err
	}
	if t.last != "" {
		req.Header.Set("Last-Event-ID", t.last)
	}
	resp, err := t.service.client.Do(req)
	if err != nil {
		return t.service.unreached(ctx, c, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // what came of it is enough to tell
		if resp.StatusCode == http.StatusServiceUnavailable {
			return fmt.Errorf("%w: %w", errUnready, t.service.refused(resp.StatusCode, body))
		}
		return t.service.refused(resp.StatusCode, body)
	}
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind != "text/event-stream" {
		return t.service.notOurs("answers with something else")
	}
	t.met = true
	opened()
	err = t.read(resp.Body, func() { watch.Reset(silence) })
	if errors.Is(context.Cause(ctx), errSilent) {
		return errSilent
	}
	return err
}

// read takes a stream apart, in the form of the HTML standard as far as the service uses it.
func (t *tail) read(body io.Reader, heard func()) error {
	lines := bufio.NewScanner(body)
	lines.Buffer(make([]byte, 0, 4096), maxEventLine)
	var id, kind string
	var data []byte
	for lines.Scan() {
		heard()
		name, value, _ := bytes.Cut(lines.Bytes(), []byte(": "))
		switch string(name) {
		case "id":
			id = string(value)
		case "event":
			kind = string(value)
		case "data":
			data = bytes.Clone(value)
		case "":
			if data != nil {
				if err := t.take(kind, data); err != nil {
					return err
				}
			}
			if id != "" { // without an event too: where the stream begins
				t.last = id
			}
			id, kind, data = "", "", nil
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return errEnded
}

func (t *tail) take(kind string, data []byte) error {
	if kind == "vidbell.gap" {
		var gap web.Gap
		if json.Unmarshal(data, &gap) == nil {
			t.info.line("events may be missing here: %s", gapText(gap))
		}
		return nil
	}
	if err := t.print(data); err != nil {
		return fmt.Errorf("%w: %w", errPrinting, err)
	}
	return nil
}

func gapText(g web.Gap) string {
	text := "they were removed because of their age"
	if g.Reason == "log_replaced" {
		text = "the service has another log now"
	}
	if g.OldestAt != nil {
		text += ", which begins at " + g.OldestAt.Local().Format(time.DateTime)
	}
	return text
}

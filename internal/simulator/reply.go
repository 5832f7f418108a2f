package simulator

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"
)

// ending is how an answer leaves the wire.
type ending int

const (
	endWhole  ending = iota
	endBroken        // in the middle of the body
	endReset         // before the first byte
	endHang          // never
)

const dripPieces = 10

// reply is an answer before it is put on a wire: a socket's or an in-process one.
type reply struct {
	status  int
	header  http.Header
	body    []byte
	padding int64 // white space before the body
	delay   time.Duration
	pause   time.Duration
	ending  ending

	// For the log.
	code      string
	items     int
	throttled bool
}

func success(integer bool) verdict { return verdict{codeSuccess, messageOf(codeSuccess), integer} }

func jsonReply(status int, body []byte) reply {
	return reply{status: status, header: http.Header{"Content-Type": {"application/json"}}, body: body}
}

func envelope(status int, v verdict, minimal bool) reply {
	r := jsonReply(status, appendError(nil, v, minimal))
	r.code = v.code
	return r
}

func (r renderer) reply(v verdict, p pageView) reply {
	out := jsonReply(http.StatusOK, r.page(make([]byte, 0, 256+256*len(p.videos)), v, p))
	out.code, out.items = v.code, len(p.videos)
	return out
}

// springReply is an error of the platform's framework, not of its application.
func springReply(status int, path string) reply {
	body, _ := json.Marshal(struct { // strings and a number cannot fail
		Timestamp string `json:"timestamp"`
		Path      string `json:"path"`
		Status    int    `json:"status"`
		Error     string `json:"error"`
		RequestID string `json:"requestId"`
	}{"2025-08-01T08:33:37.992+00:00", path, status, http.StatusText(status), "5f1c2a9e-1042"})
	return jsonReply(status, body)
}

func htmlReply(status int) reply {
	title := strconv.Itoa(status) + " " + http.StatusText(status)
	return reply{
		status: status,
		header: http.Header{"Content-Type": {"text/html"}},
		body: []byte("<html>\r\n<head><title>" + title + "</title></head>\r\n<body>\r\n<center><h1>" + title +
			"</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"),
	}
}

func (r reply) length() int64 { return r.padding + int64(len(r.body)) }

// wait lets the delay of a reply pass, or all time if it hangs.
func (r reply) wait(ctx context.Context) error {
	if err := pause(ctx, r.delay); err != nil {
		return err
	}
	if r.ending == endHang {
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// wire reads a reply as it travels: in pieces if it drips, with an error at the end if it breaks.
type wire struct {
	ctx     context.Context //nolint:containedctx // it lives as long as one body
	padding int64
	body    []byte
	pause   time.Duration
	piece   int
	end     error
	begun   bool
}

func (r reply) wire(ctx context.Context) *wire {
	w := &wire{ctx: ctx, padding: r.padding, body: r.body, pause: r.pause, piece: len(r.body), end: io.EOF}
	if r.pause > 0 {
		w.piece = max(1, len(r.body)/dripPieces)
	}
	if r.ending == endBroken {
		w.body, w.end = r.body[:len(r.body)/2], io.ErrUnexpectedEOF
	}
	return w
}

// Read returns at most one piece.
func (w *wire) Read(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	if w.padding > 0 {
		return w.readPadding(p), nil
	}
	if len(w.body) == 0 {
		return 0, w.end
	}
	if w.begun {
		if err := pause(w.ctx, w.pause); err != nil {
			return 0, err
		}
	}
	n := copy(p, w.body[:min(w.piece, len(w.body))])
	w.body, w.begun = w.body[n:], true
	return n, nil
}

func (w *wire) readPadding(p []byte) int {
	n := int(min(int64(len(p)), w.padding))
	for i := range n {
		p[i] = ' '
	}
	w.padding -= int64(n)
	return n
}

// Close is for use as the body of a response.
func (w *wire) Close() error {
	w.body, w.padding, w.end = nil, 0, errors.New("read on a closed response body")
	return nil
}

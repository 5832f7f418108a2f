package webhook

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"
)

const (
	maxAnswerBytes   = 64 << 10 // read of an answer before it counts as read
	drainAnswerBytes = 16 << 10 // read beyond that for the connection's sake; past it the connection is closed instead
	readBufferBytes  = 8 << 10
)

// identityEncoding is shared: net/http only reads it.
var identityEncoding = []string{"identity"}

// sender makes attempts. It is stateless but for the transport's pool.
type sender struct {
	transport http.RoundTripper
	agent     []string
	now       func() time.Time
	tracer    trace.Tracer // nil: nobody traces
}

func newSender(transport http.RoundTripper, version string, now func() time.Time, tracer trace.Tracer) *sender {
	if version == "" {
		version = "dev"
	}
	return &sender{transport: transport, agent: []string{"vidbell/" + version}, now: now, tracer: tracer}
}

// send makes one attempt: one POST, and the answer read. ctx is cancelled only by our own stop, which makes the outcome an
// aborted one.
func (s *sender) send(ctx context.Context, t *target, id string, body []byte) outcome {
	start := time.Now() // monotonic: s.now may be a test's
	exchange, cancel := context.WithTimeout(ctx, t.Timeout)
	defer cancel()
	out := s.exchange(exchange, t, id, body)
	out.took = time.Since(start)
	if out.class != "" && out.class != ClassBlocked && ctx.Err() != nil {
		out.aborted = true
	}
	return out
}

func (s *sender) exchange(ctx context.Context, t *target, id string, body []byte) outcome {
	if refused := s.handshake(ctx, t); !refused.delivered() {
		return refused
	}
	answer, err := s.transport.RoundTrip(s.request(ctx, t, id, body))
	if err != nil {
		return outcome{class: classifyError(err), detail: detailOf(err)}
	}
	defer answer.Body.Close()
	out := outcome{status: answer.StatusCode, class: statusClass(answer.StatusCode)}
	if out.class != "" {
		out.detail = explain(answer)
		out.retryAfter = parseRetryAfter(answer.Header.Get("Retry-After"), s.now())
	}
	if answer.StatusCode < http.StatusOK { // 101: the "body" is the connection, and reading it ends when the receiver likes
		return out
	}
	if out.excerpt, err = readAnswer(answer.Body, excerptBytes(out.class)); err != nil && out.class == "" {
		out.class, out.detail = bodyClass(err), "answer broke off: "+detailOf(err)
	}
	out.excerpt = t.hidden.from(out.excerpt)
	return out
}

func bodyClass(err error) Class {
	if errors.Is(err, context.DeadlineExceeded) {
		return ClassTimeout
	}
	return ClassBody
}

// request builds the POST around the parts of the target that never change.
func (s *sender) request(ctx context.Context, t *target, id string, body []byte) *http.Request {
	unix := strconv.FormatInt(s.now().Unix(), 10)
	// Canonical keys written out: Header.Set would work each of them out again for every request.
	header := make(http.Header, len(t.header)+9)
	maps.Copy(header, t.header)
	header["Content-Type"] = t.contentType
	header["User-Agent"] = s.agent
	header["Accept-Encoding"] = identityEncoding
	header["Traceparent"] = []string{traceparentOf(ctx, id)}
	header["Webhook-Id"] = []string{id}
	header["Webhook-Timestamp"] = []string{unix}
	if len(t.secrets) > 0 {
		header["Webhook-Signature"] = []string{signatures(t.secrets, id, unix, body)}
	}
	if t.basic != "" {
		header["Authorization"] = []string{t.basic}
	}
	if t.HandshakeOrigin != "" {
		header[headerRequestOrigin] = []string{t.HandshakeOrigin}
	}
	r := &http.Request{
		Method:        http.MethodPost,
		URL:           t.url,
		Host:          t.url.Host,
		Header:        header,
		Body:          io.NopCloser(bytes.NewReader(body)),
		ContentLength: int64(len(body)),
		// The transport asks for the body again when a pooled connection turns out dead before a byte was written.
		GetBody: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil },
	}
	return r.WithContext(ctx)
}

// explain says in words what a failing answer means. Of a redirect's target scheme and host are shown: its path may be as secret as
// that of the endpoint.
func explain(answer *http.Response) string {
	text := strconv.Itoa(answer.StatusCode)
	if name := http.StatusText(answer.StatusCode); name != "" {
		text += " " + name
	}
	if statusClass(answer.StatusCode) != ClassRedirect {
		return text
	}
	if to, err := url.Parse(answer.Header.Get("Location")); err == nil && to.Host != "" {
		text += ", points to " + printable(to.Scheme+"://"+to.Host, maxDetailBytes/2)
	}
	return text
}

var readBuffers = sync.Pool{New: func() any { b := make([]byte, readBufferBytes); return &b }}

// readAnswer reads the body up to its bound, and keeps its beginning. A longer one is no error: it is the receiver's answer that
// counts.
func readAnswer(body io.Reader, keep int) (excerpt []byte, err error) {
	buffer := readBuffers.Get().(*[]byte)
	defer readBuffers.Put(buffer)
	for n := 0; n < maxAnswerBytes+drainAnswerBytes; {
		got, err := body.Read(*buffer)
		n += got
		if room := keep - len(excerpt); room > 0 && got > 0 {
			excerpt = append(excerpt, (*buffer)[:min(room, got)]...)
		}
		switch {
		case err == io.EOF, err != nil && n >= maxAnswerBytes:
			return excerpt, nil
		case err != nil:
			return excerpt, err
		}
	}
	return excerpt, nil
}

package contract

import (
	"bytes"
	"io"
	"net/http"
	"sync"
)

// Transport passes requests on and looks at each exchange. report gets a sentence for each thing that is wrong.
func (c *Contract) Transport(next http.RoundTripper, report func(problem string)) http.RoundTripper {
	return &transport{contract: c, next: next, report: report}
}

type transport struct {
	contract *Contract
	next     http.RoundTripper
	report   func(string)
}

// maxSeen bounds what is kept of a body: one that is longer is refused by every page.
const maxSeen = 4 << 20

// RoundTrip makes one exchange.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	var sent journal
	asked := r
	if r.Body != nil && r.Body != http.NoBody {
		asked = r.Clone(r.Context())
		asked.Body = tee{io.TeeReader(io.LimitReader(r.Body, maxSeen), &sent), r.Body}
	}
	resp, err := t.next.RoundTrip(asked)
	if err != nil {
		return nil, err
	}
	var body []byte
	if mediaType(resp.Header) != "text/event-stream" && r.Method != http.MethodHead {
		body, err = io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			return nil, err
		}
		resp.Body = io.NopCloser(bytes.NewReader(body))
		body = append([]byte{}, body...)
	}
	for _, problem := range t.contract.check(exchange{request: r, sent: sent.bytes(), response: resp, body: body}) {
		t.report(r.Method + " " + r.URL.Path + " answered with " + resp.Status + ": " + problem)
	}
	return resp, nil
}

// CloseIdleConnections lets a client close those of the transport below.
func (t *transport) CloseIdleConnections() {
	if closer, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		closer.CloseIdleConnections()
	}
}

type tee struct {
	io.Reader
	io.Closer
}

// journal is what was sent so far: a page may answer before it has read everything.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

func (j *journal) bytes() []byte {
	j.mu.Lock()
	defer j.mu.Unlock()
	return bytes.Clone(j.text.Bytes())
}

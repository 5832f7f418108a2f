package simulator

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"syscall"
)

// RoundTripper serves requests in this process without a socket. Delays, hangs and resets are played with timers that
// obey the request's context, so that it can be used in a testing/synctest bubble. Host and scheme are ignored.
func (s *Simulator) RoundTripper() http.RoundTripper { return inProcess{s} }

type inProcess struct{ s *Simulator }

func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := readAndClose(r.Body)
	if err != nil {
		return nil, fmt.Errorf("read request: %w", err)
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	answer := p.s.answer(r.Method, r.URL.Path, r.Header.Get("Authorization"), body)
	if err := answer.wait(r.Context()); err != nil {
		return nil, err
	}
	if answer.ending == endReset {
		return nil, &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	}
	return answer.response(r), nil
}

func readAndClose(body io.ReadCloser) ([]byte, error) {
	if body == nil {
		return nil, nil
	}
	defer func() { _ = body.Close() }() // it has been read: nothing can be lost
	return io.ReadAll(io.LimitReader(body, maxRequestBody))
}

func (r reply) response(req *http.Request) *http.Response {
	return &http.Response{
		Status:        strconv.Itoa(r.status) + " " + http.StatusText(r.status),
		StatusCode:    r.status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        r.header,
		ContentLength: r.length(),
		Body:          r.wire(req.Context()),
		Request:       req,
	}
}

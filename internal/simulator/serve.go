package simulator

import (
	"errors"
	"io"
	"net"
	"net/http"
)

const maxRequestBody = 1 << 20

// ServeHTTP answers one request of a client, faults included.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBody))
	if err != nil {
		http.Error(w, "read request: "+err.Error(), http.StatusBadRequest)
		return
	}
	answer := s.answer(r.Method, r.URL.Path, r.Header.Get("Authorization"), body)
	if err := answer.wait(r.Context()); err != nil {
		return
	}
	if answer.ending == endReset {
		reset(w)
		return
	}
	send(w, r, answer)
}

// Handler is the platform as a handler.
func (s *Simulator) Handler() http.Handler { return s }

func send(w http.ResponseWriter, r *http.Request, answer reply) {
	for name, values := range answer.header {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.status)
	stream := answer.wire(r.Context())
	flush := answer.pause > 0 || answer.ending == endBroken
	for buf := make([]byte, 32<<10); ; {
		n, err := stream.Read(buf)
		if _, werr := w.Write(buf[:n]); werr != nil {
			return
		}
		if flush {
			_ = http.NewResponseController(w).Flush() // a writer that cannot flush sends later, no more
		}
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			panic(http.ErrAbortHandler)
		}
	}
}

// reset closes the connection so that the client reads a reset, not an end.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // at worst the client reads an end of file
	}
	_ = conn.Close()
}

package web

import (
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// maxDetail bounds what is taken over into a problem document, in bytes.
const maxDetail = 200

// answerWriter makes problem documents of the errors that handlers of others write as plain text.
type answerWriter struct {
	http.ResponseWriter
	begun    bool // the status was sent
	held     int  // status of an error in plain text, held back until its text is known
	replaced bool // a problem document was sent in its place
}

// WriteHeader sends the status, or holds one back that is to become a problem document.
func (w *answerWriter) WriteHeader(status int) {
	kind := w.Header().Get("Content-Type")
	switch {
	case w.begun || w.held != 0:
		return
	case status >= 400 && !strings.HasPrefix(kind, "application/"):
		w.held = status
		return
	case status >= 200:
		w.begun = true
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write sends what an answer holds.
func (w *answerWriter) Write(b []byte) (int, error) {
	if w.held != 0 {
		w.problem(strings.TrimSpace(string(b[:min(len(b), maxDetail)])))
	}
	if w.replaced {
		return len(b), nil
	}
	w.begun = true
	return w.ResponseWriter.Write(b)
}

func (w *answerWriter) problem(detail string) {
	status := w.held
	w.held = 0
	w.Header().Del("Content-Length")
	w.Header().Del("Content-Encoding")
	Problem(w, status, strings.ToValidUTF8(detail, ""))
	w.replaced = true
}

// finish sends what was held back.
func (w *answerWriter) finish() {
	if w.held != 0 {
		w.problem("")
	}
}

// Flush is for pages that send bit by bit.
func (w *answerWriter) Flush() { _ = w.FlushError() } // one that cannot be flushed is sent later

// FlushError is Flush for those who want to know that the caller is gone.
func (w *answerWriter) FlushError() error {
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Unwrap lets http.ResponseController reach the connection.
func (w *answerWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// problemListener makes problem documents of what the standard library says to requests that it cannot read, which never reach a
// handler.
type problemListener struct{ net.Listener }

// Accept waits for the next connection.
func (l problemListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return problemConn{conn}, nil
}

type problemConn struct{ net.Conn }

// plainError is how net/http answers to what it cannot read: all of it, in one piece.
var plainError = regexp.MustCompile(`^HTTP/1\.1 ([45]\d\d) ([^\r\n]*)\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n(.*)$`)

// Write passes on what is written, but for such an answer.
func (c problemConn) Write(b []byte) (int, error) {
	match := plainError.FindSubmatch(b)
	if match == nil {
		return c.Conn.Write(b)
	}
	status, _ := strconv.Atoi(string(match[1]))
	_, detail, _ := strings.Cut(string(match[2]), ": ")
	answer := newRecord()
	if detail == "" {
		detail = "the request could not be read"
	}
	if status == http.StatusRequestHeaderFieldsTooLarge {
		detail = "the header is larger than " + strconv.Itoa(maxHeaderBytes>>10) + " KiB"
	}
	Problem(answer, status, detail)
	if _, err := c.Conn.Write(answer.message(status)); err != nil {
		return 0, err
	}
	return len(b), nil
}

// CloseWrite lets a refused caller read why: net/http asks for it before it closes.
func (c problemConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// record keeps an answer.
type record struct {
	header http.Header
	body   []byte
}

func newRecord() *record { return &record{header: http.Header{}} }

func (r *record) Header() http.Header { return r.header }

func (r *record) WriteHeader(int) {}

func (r *record) Write(b []byte) (int, error) {
	r.body = append(r.body, b...)
	return len(b), nil
}

// message is the answer as it goes over the wire, before a connection is closed.
func (r *record) message(status int) []byte {
	return []byte("HTTP/1.1 " + strconv.Itoa(status) + " " + http.StatusText(status) +
		"\r\nContent-Type: " + r.header.Get("Content-Type") +
		"\r\nContent-Length: " + strconv.Itoa(len(r.body)) +
		"\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n" + string(r.body))
}

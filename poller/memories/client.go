package memories

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	// defaultSize is the largest page that clients are seen to ask for.
	defaultSize = 200

	// maxBodyBytes bounds a successful body after decompression. A page of 200 items is some 50 KiB.
	maxBodyBytes = 16 << 20
	// maxErrorBodyBytes bounds what is read of an answer that is no success anyway.
	maxErrorBodyBytes = 64 << 10
	// firstBufferBytes is the buffer for a body of unknown length: most pages fit.
	firstBufferBytes = 64 << 10
)

// Client lists videos for one API key on one host. It is safe for concurrent use.
type Client struct {
	endpoint  string
	key       string
	userAgent string
	timeout   time.Duration
	transport http.RoundTripper
	now       func() time.Time
}

// String leaves the key out, so that a Client can be printed.
func (c *Client) String() string { return "memories.Client{" + c.endpoint + "}" }

// GoString is String: %#v must not print the key either.
func (c *Client) GoString() string { return c.String() }

// CloseIdleConnections closes the kept connections of the transport, if it can.
func (c *Client) CloseIdleConnections() {
	if t, ok := c.transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// Query asks for one page. Page and Size are always sent, because the platform's defaults differ between its documents;
// the other fields only when set. The platform joins filters by "and", and may ignore any of them.
type Query struct {
	// UniqueID is the namespace. Without it the platform answers for "default".
	UniqueID string
	// Page counts from 1; below that, 1 is asked for.
	Page int
	// Size is the items wanted; below 1, 200 are asked for. The platform's maximum is not documented, 200 works.
	Size int
	// VideoNo is one id, exactly.
	VideoNo string
	// VideoNos are several ids. Platforms older than 2026 ignore them.
	VideoNos []string
	// Name is matched partially or exactly, depending on the platform's version.
	Name string
	// Status is a word of the platform: PARSE, UNPARSE, FAILED.
	Status string
}

func (q Query) withDefaults() Query {
	q.Page = max(q.Page, 1)
	if q.Size < 1 {
		q.Size = defaultSize
	}
	return q
}

// wireQuery is the JSON body of a list call.
type wireQuery struct {
	UniqueID string   `json:"unique_id,omitempty"` // the documents' first example said "unique", which is ignored
	Page     int      `json:"page"`
	Size     int      `json:"size"`
	VideoNo  string   `json:"video_no,omitempty"`
	VideoNos []string `json:"video_nos,omitempty"`
	Name     string   `json:"video_name,omitempty"`
	Status   string   `json:"status,omitempty"`
}

// List sends one request for one page and decodes the answer. Its error is always an *Error. The page that comes with an
// error holds StartedAt and Elapsed, and nothing else.
func (c *Client) List(ctx context.Context, q Query) (Page, error) {
	q = q.withDefaults()
	started := c.now()
	page, fault := c.list(ctx, q)
	page.StartedAt = started
	page.Elapsed = max(0, c.now().Sub(started)) // the clock may be set back under us
	if fault != nil {
		fault.Op = "list page " + strconv.Itoa(q.Page)
		return page, fault
	}
	return page, nil
}

func (c *Client) list(ctx context.Context, q Query) (Page, *Error) {
	a, fault := c.exchange(ctx, q)
	if fault != nil {
		return Page{}, c.scrub(fault)
	}
	page, fault := a.page()
	if fault != nil {
		return Page{}, c.scrub(fault.withRetryAfter(a.retryAfter, c.now()))
	}
	return page, nil
}

// answer is an HTTP answer, read and closed.
type answer struct {
	status      int
	contentType string
	retryAfter  string
	location    string
	body        []byte
}

func (a answer) ok() bool { return a.status >= 200 && a.status <= 299 }

// exchange sends the query and reads the whole answer, all within the timeout.
func (c *Client) exchange(ctx context.Context, q Query) (answer, *Error) {
	if ctx.Err() != nil {
		return answer{}, contextFault(ctx)
	}
	timed, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := c.request(timed, q)
	if err != nil {
		return answer{}, &Error{Class: ClassUnknown, Err: err}
	}
	// The transport itself, not an http.Client: one request, no redirect, no cookie, no error that quotes a URL.
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		return answer{}, c.transportFault(ctx, timed, err)
	}
	defer closeBody(resp)
	a := answerOf(resp)
	a.body, err = readBody(resp, a.ok())
	switch {
	case err == nil:
		return a, nil
	case errors.Is(err, errTooLarge):
		return answer{}, &Error{Class: ClassTooLarge, HTTPStatus: a.status, Err: err}
	case !a.ok() && ctx.Err() == nil:
		return a, nil // the status has said enough, whatever became of the body
	}
	fault := c.transportFault(ctx, timed, err)
	fault.HTTPStatus = a.status
	return answer{}, fault
}

func (c *Client) request(ctx context.Context, q Query) (*http.Request, error) {
	body, err := json.Marshal(wireQuery(q))
	if err != nil {
		return nil, fmt.Errorf("encode query: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("build request: %w", err)
	}
	req.Header.Set("Authorization", c.key)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.userAgent)
	return req, nil
}

func answerOf(resp *http.Response) answer {
	return answer{
		status:      resp.StatusCode,
		contentType: resp.Header.Get("Content-Type"),
		retryAfter:  resp.Header.Get("Retry-After"),
		location:    hostOf(resp.Header.Get("Location")),
	}
}

// hostOf keeps of a redirect's target what helps to find the cause: its path or query may carry anything.
func hostOf(location string) string {
	u, err := url.Parse(location)
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

func closeBody(resp *http.Response) {
	if resp.Body != nil {
		_ = resp.Body.Close() // nothing is left to do about it: what was read, was read
	}
}

var errTooLarge = fmt.Errorf("body exceeds %d bytes", maxBodyBytes)

// readBody reads to the end, which is also what makes the connection reusable, or to the bound. The bound counts
// decompressed bytes, because the transport decompresses underneath. Of an unsuccessful answer the beginning is enough.
func readBody(resp *http.Response, ok bool) ([]byte, error) {
	switch {
	case resp.Body == nil || resp.StatusCode < 200:
		// 101 Switching Protocols, which nobody asked for: its "body" is the connection itself, and reading it would not
		// end with the context.
		return nil, nil
	case !ok:
		return io.ReadAll(io.LimitReader(resp.Body, maxErrorBodyBytes))
	case resp.ContentLength > maxBodyBytes:
		return nil, errTooLarge
	}
	var buf bytes.Buffer
	// A declared length is believed only up to the usual: it costs the sender nothing to declare 16 MiB.
	buf.Grow(int(min(max(resp.ContentLength, 0), firstBufferBytes)) + bytes.MinRead)
	if _, err := buf.ReadFrom(io.LimitReader(resp.Body, maxBodyBytes+1)); err != nil {
		return nil, err
	}
	if buf.Len() > maxBodyBytes {
		return nil, errTooLarge
	}
	return buf.Bytes(), nil
}

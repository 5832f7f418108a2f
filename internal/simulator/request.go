package simulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Lane is the kind of a list request, told by its filters.
type Lane string

// The lanes, in the order in which they are recognised.
const (
	LaneVideoNos Lane = "video_nos"
	LaneVideoNo  Lane = "video_no"
	LaneStatus   Lane = "status"
	LaneName     Lane = "video_name"
	LaneWalk     Lane = "page" // no filter: a step of a walk through the pages
	LaneNone     Lane = ""     // not a readable list request
)

// Request is one request as it was answered.
type Request struct {
	Time      time.Time `json:"time"`
	Method    string    `json:"method"`
	Path      string    `json:"path"`
	Key       string    `json:"-"`
	Account   string    `json:"account,omitempty"` // empty: the key was refused
	Namespace string    `json:"namespace,omitempty"`
	Lane      Lane      `json:"lane,omitempty"`
	Page      int       `json:"page,omitempty"`
	Size      int       `json:"size,omitempty"` // as asked; 0: left to the server
	VideoNo   string    `json:"video_no,omitempty"`
	VideoNos  []string  `json:"video_nos,omitempty"`
	VideoName string    `json:"video_name,omitempty"`
	Status    string    `json:"status,omitempty"`

	HTTPStatus int       `json:"http_status,omitempty"` // 0: the connection was reset or hung
	Code       string    `json:"code,omitempty"`        // of the envelope; empty: there was none
	Items      int       `json:"items"`
	Fault      FaultKind `json:"fault,omitempty"`
	Throttled  bool      `json:"throttled,omitempty"`
}

// wireRequest is the JSON body of a list call. Keys that are not here, such as the documented mistake "unique", are
// ignored as the server ignores them.
type wireRequest struct {
	Page      *wireInt  `json:"page"`
	Size      *wireInt  `json:"size"`
	UniqueID  *string   `json:"unique_id"`
	VideoNo   string    `json:"video_no"`
	VideoNos  *[]string `json:"video_nos"`
	VideoName string    `json:"video_name"`
	Status    string    `json:"status"`

	// Filters on metadata: they match only what is parsed already.
	CameraModel   string `json:"camera_model"`
	Tag           string `json:"tag"`
	DatetimeTaken string `json:"datetime_taken"`
}

// wireInt reads 1 and "1" alike, as the server's JSON library does.
type wireInt int

func (i *wireInt) UnmarshalJSON(b []byte) error {
	n, err := strconv.Atoi(strings.Trim(string(b), `"`))
	if err != nil {
		return errors.New("not an integer")
	}
	*i = wireInt(n)
	return nil
}

func parseRequest(body []byte) (wireRequest, error) {
	var wire wireRequest
	if len(bytes.TrimSpace(body)) == 0 {
		return wire, errors.New("Required request body is missing")
	}
	if err := json.Unmarshal(body, &wire); err != nil {
		return wire, fmt.Errorf("JSON parse error: %w", err)
	}
	return wire, nil
}

// describe copies what a request asks into its record.
func (w wireRequest) describe(r *Request) {
	r.Namespace = w.namespace()
	r.Page = w.page()
	if w.Size != nil {
		r.Size = int(*w.Size)
	}
	r.VideoNo, r.VideoName, r.Status = w.VideoNo, w.VideoName, w.Status
	if w.VideoNos != nil {
		r.VideoNos = *w.VideoNos
	}
	r.Lane = w.lane()
}

func (w wireRequest) lane() Lane {
	switch {
	case w.VideoNos != nil:
		return LaneVideoNos
	case w.VideoNo != "":
		return LaneVideoNo
	case w.Status != "":
		return LaneStatus
	case w.VideoName != "":
		return LaneName
	default:
		return LaneWalk
	}
}

func (w wireRequest) namespace() string {
	if w.UniqueID == nil || *w.UniqueID == "" {
		return DefaultNamespace
	}
	return *w.UniqueID
}

func (w wireRequest) page() int {
	if w.Page == nil {
		return 1
	}
	return int(*w.Page)
}

// query is a list request as the server understands it.
type query struct {
	page, size int
	pageSize   int      // what the answer claims
	ids        []string // nil: any
	name       string
	exactName  bool
	status     string
	hidden     []string // by a fault
	parsed     string   // the word of a parsed video where only those match
}

// query applies the rules of the form. The error is the text of a 0001.
func (o Options) query(w wireRequest) (query, error) {
	q := query{page: w.page(), exactName: o.Form == Form2026}
	if q.page < 1 {
		return q, errors.New("page must be greater than 0")
	}
	if o.Form == Form2026 && w.UniqueID != nil && *w.UniqueID == "" {
		return q, errors.New("unique_id must not be empty")
	}
	if err := o.size(w, &q); err != nil {
		return q, err
	}
	err := o.filters(w, &q)
	return q, err
}

func (o Options) size(w wireRequest, q *query) error {
	q.size = min(o.Form.pageSize(), o.MaxPageSize)
	if w.Size != nil {
		q.size = int(*w.Size)
	}
	if q.size < 1 {
		return errors.New("size must be greater than 0")
	}
	q.pageSize = q.size
	if q.size <= o.MaxPageSize {
		return nil
	}
	if o.SizePolicy == SizeRefuse {
		return fmt.Errorf("size must not exceed %d", o.MaxPageSize)
	}
	q.size = o.MaxPageSize
	if o.SizePolicy == SizeClamp {
		q.pageSize = q.size
	}
	return nil
}

func (o Options) filters(w wireRequest, q *query) error {
	if w.VideoNos != nil && o.honours("video_nos") {
		if n := len(*w.VideoNos); o.MaxVideoNos > 0 && n > o.MaxVideoNos {
			return fmt.Errorf("video_nos must not hold more than %d ids", o.MaxVideoNos)
		}
		q.ids = append([]string{}, *w.VideoNos...)
	}
	if w.VideoNo != "" && o.honours("video_no") {
		q.ids = intersect(q.ids, w.VideoNo)
	}
	if o.honours("video_name") {
		q.name = w.VideoName
	}
	if o.honours("status") {
		if w.Status != "" && o.StatusFilter == StatusRefuse && !o.Words.has(w.Status) {
			return fmt.Errorf("No enum constant VideoStatus.%s", w.Status)
		}
		q.status = w.Status
	}
	if w.CameraModel != "" || w.Tag != "" || w.DatetimeTaken != "" {
		q.parsed = o.Words.Done
	}
	return nil
}

func (o Options) honours(filter string) bool {
	if filter == "video_nos" && o.Form != Form2026 {
		return false
	}
	return !slices.Contains(o.IgnoredFilters, filter)
}

func intersect(ids []string, no string) []string {
	if ids == nil || slices.Contains(ids, no) {
		return []string{no}
	}
	return []string{}
}

func (q query) selective() bool { return q.name != "" || q.status != "" || q.parsed != "" }

func (q query) matches(v *Video) bool {
	return (q.status == "" || v.Raw == q.status) &&
		(q.parsed == "" || v.Raw == q.parsed) &&
		(q.name == "" || v.Name == q.name || !q.exactName && strings.Contains(v.Name, q.name))
}

package simulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

const (
	maxControlBody  = 1 << 20
	defaultListed   = 100
	controlNotFound = "no such video"
)

// ControlHandler changes the platform from outside; the package document lists its calls. It has no authentication:
// bind it to loopback.
func (s *Simulator) ControlHandler() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, call func(*http.Request) (int, any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, maxControlBody)
			status, answer, err := call(r)
			if err != nil {
				status, answer = http.StatusBadRequest, problem{err.Error()}
			}
			writeJSON(w, status, answer)
		})
	}
	handle("GET /_sim", s.controlOverview)
	handle("GET /_sim/videos", s.controlList)
	handle("POST /_sim/videos", s.controlAdd)
	handle("PATCH /_sim/videos/{ns}/{no}", s.controlChange)
	handle("DELETE /_sim/videos/{ns}/{no}", s.controlDelete)
	handle("GET /_sim/faults", s.controlFaults)
	handle("POST /_sim/faults", s.controlFail)
	handle("DELETE /_sim/faults", s.controlClearFaults)
	handle("GET /_sim/requests", s.controlRequests)
	handle("DELETE /_sim/requests", s.controlResetRequests)
	return mux
}

type problem struct {
	Error string `json:"error"`
}

func writeJSON(w http.ResponseWriter, status int, answer any) {
	if answer == nil {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // the reader may be gone: there is nobody to tell
}

// readJSON decodes a body strictly. Its errors name the field.
func readJSON(r *http.Request, into any) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return fmt.Errorf("read body: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return explain(err)
	}
	if decoder.More() {
		return errors.New("body: more than one JSON value")
	}
	return nil
}

func explain(err error) error {
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) && wrongType.Field != "" {
		return fmt.Errorf("%s: a JSON %s does not fit, want %s", wrongType.Field, wrongType.Value, wrongType.Type)
	}
	if field, unknown := strings.CutPrefix(err.Error(), "json: unknown field "); unknown {
		return fmt.Errorf("%s: unknown field", strings.Trim(field, `"`))
	}
	return fmt.Errorf("body: not the JSON expected: %w", err)
}

func (s *Simulator) controlOverview(*http.Request) (int, any, error) {
	counts := map[string]int{}
	for _, ns := range s.Namespaces() {
		counts[ns] = s.Len(ns)
	}
	return http.StatusOK, struct {
		Form       Form           `json:"form"`
		Words      string         `json:"words"`
		Namespaces map[string]int `json:"namespaces"`
	}{s.opts.Form, s.Words().String(), counts}, nil
}

func (s *Simulator) controlList(r *http.Request) (int, any, error) {
	limit, err := limitOf(r)
	if err != nil {
		return 0, nil, err
	}
	ns := orElse(r.URL.Query().Get("namespace"), DefaultNamespace)
	videos := []videoJSON{}
	for _, v := range s.newest(ns, limit) {
		videos = append(videos, asJSON(ns, v))
	}
	return http.StatusOK, struct {
		Namespace string      `json:"namespace"`
		Total     int         `json:"total"`
		Videos    []videoJSON `json:"videos"`
	}{ns, s.Len(ns), videos}, nil
}

func limitOf(r *http.Request) (int, error) {
	text := r.URL.Query().Get("limit")
	if text == "" {
		return defaultListed, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, fieldError{"limit", fmt.Sprintf("%q is not a count", text)}
	}
	return n, nil
}

func (s *Simulator) controlAdd(r *http.Request) (int, any, error) {
	var in videoJSON
	if err := readJSON(r, &in); err != nil {
		return 0, nil, err
	}
	v, err := in.video()
	if err != nil {
		return 0, nil, err
	}
	ns := orElse(in.Namespace, DefaultNamespace)
	no := s.Add(ns, v)
	added, _ := s.Get(ns, no) // a life that deletes at once leaves nothing but the id
	added.No = no
	return http.StatusCreated, asJSON(ns, added), nil
}

func (s *Simulator) controlChange(r *http.Request) (int, any, error) {
	var in changeJSON
	if err := readJSON(r, &in); err != nil {
		return 0, nil, err
	}
	if in.Status == nil && in.Cause == nil && in.Life == nil {
		return 0, nil, errors.New("status: give status, cause or life")
	}
	life, err := steps(in.Life)
	if err != nil {
		return 0, nil, err
	}
	ns, no := r.PathValue("ns"), r.PathValue("no")
	v, ok := s.Get(ns, no)
	if !ok {
		return http.StatusNotFound, problem{controlNotFound}, nil
	}
	if in.Status != nil || in.Cause != nil {
		s.Set(ns, no, deref(in.Status, v.Raw), deref(in.Cause, ""))
	}
	if in.Life != nil {
		s.SetLife(ns, no, life...)
	}
	v, _ = s.Get(ns, no)
	v.No = no
	return http.StatusOK, asJSON(ns, v), nil
}

func deref(p *string, otherwise string) string {
	if p == nil {
		return otherwise
	}
	return *p
}

func (s *Simulator) controlDelete(r *http.Request) (int, any, error) {
	if s.Delete(r.PathValue("ns"), r.PathValue("no")) == 0 {
		return http.StatusNotFound, problem{controlNotFound}, nil
	}
	return http.StatusNoContent, nil, nil
}

func (s *Simulator) controlFail(r *http.Request) (int, any, error) {
	var in faultJSON
	if err := readJSON(r, &in); err != nil {
		return 0, nil, err
	}
	f, err := in.fault()
	if err != nil {
		return 0, nil, err
	}
	if err := f.validate(); err != nil {
		return 0, nil, inJSON(err)
	}
	if err := s.Fail(f); err != nil {
		return 0, nil, err
	}
	return s.pendingFaults(http.StatusCreated)
}

func (s *Simulator) controlFaults(*http.Request) (int, any, error) {
	return s.pendingFaults(http.StatusOK)
}

func (s *Simulator) pendingFaults(status int) (int, any, error) {
	pending := []faultJSON{}
	for _, f := range s.Faults() {
		pending = append(pending, f.asJSON())
	}
	return status, struct {
		Pending []faultJSON `json:"pending"`
	}{pending}, nil
}

func (s *Simulator) controlClearFaults(*http.Request) (int, any, error) {
	s.ClearFaults()
	return http.StatusNoContent, nil, nil
}

func (s *Simulator) controlRequests(r *http.Request) (int, any, error) {
	limit, err := limitOf(r)
	if err != nil {
		return 0, nil, err
	}
	requests := s.Requests()
	return http.StatusOK, struct {
		Counts   Counts    `json:"counts"`
		Requests []Request `json:"requests"`
	}{s.Counts(), requests[max(0, len(requests)-limit):]}, nil
}

func (s *Simulator) controlResetRequests(*http.Request) (int, any, error) {
	s.ResetRequests()
	return http.StatusNoContent, nil, nil
}

package simulator

import (
	"fmt"
	"net/http"
	"strings"
)

// ListPath is where the platform lists videos.
const ListPath = "/serve/api/v1/list_videos"

// answer decides what a request gets, logs it and runs the hooks. Hooks run when the answer is settled and before it is
// sent, so that what they change is seen by the next request and never by this one.
func (s *Simulator) answer(method, path, key string, body []byte) reply {
	record := Request{Method: method, Path: path, Key: s.bareKey(key)}
	out, hooks := s.decide(&record, body)
	for _, hook := range hooks {
		hook(record)
	}
	return out
}

func (s *Simulator) bareKey(header string) string {
	if s.opts.AcceptBearer {
		return strings.TrimPrefix(header, "Bearer ")
	}
	return header
}

func (s *Simulator) decide(record *Request, body []byte) (reply, []func(Request)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	record.Time = s.opts.Now()
	s.settle(record.Time)
	out := s.route(record, body)
	record.HTTPStatus, record.Code, record.Items = out.status, out.code, out.items
	record.Throttled = out.throttled
	s.log.add(*record)
	return out, s.hooks.pick(*record)
}

// route passes a request through the stations of the platform: path, method, key, quota, list.
func (s *Simulator) route(record *Request, body []byte) reply {
	if record.Path != ListPath {
		return s.refuse(fmt.Errorf("No static resource %s.", strings.TrimPrefix(record.Path, "/")))
	}
	if record.Method != http.MethodPost {
		r := springReply(http.StatusMethodNotAllowed, record.Path)
		r.header.Set("Allow", http.MethodPost)
		return r
	}
	wire, parseErr := parseRequest(body)
	if parseErr == nil {
		wire.describe(record)
	}
	account, ok := s.accounts[record.Key]
	if !ok {
		return s.refuseKey()
	}
	record.Account = account
	if !s.quota.take(account, record.Time) {
		return s.opts.throttle()
	}
	if parseErr != nil {
		return s.refuse(parseErr)
	}
	return s.list(record, wire)
}

// refuse is the platform's answer to a request it cannot use.
func (s *Simulator) refuse(err error) reply {
	return envelope(http.StatusOK, verdict{"0001", err.Error(), s.opts.IntegerCode}, false)
}

func (s *Simulator) refuseKey() reply {
	if s.opts.HTTPAuthErrors {
		return springReply(http.StatusUnauthorized, ListPath)
	}
	return envelope(http.StatusOK, verdict{"0401", messageOf("0401"), s.opts.IntegerCode}, false)
}

func (s *Simulator) list(record *Request, wire wireRequest) reply {
	q, err := s.opts.query(wire)
	if err != nil {
		return s.refuse(err)
	}
	if len(s.libraries) >= maxNamespaces && s.libraries[record.Namespace] == nil {
		return s.refuse(fmt.Errorf("too many namespaces: %d", maxNamespaces))
	}
	lib := s.library(record.Namespace)
	f, spoiled := s.faults.take(*record)
	if !spoiled {
		return s.render.reply(success(s.opts.IntegerCode), view(lib, q, q))
	}
	record.Fault = f.Kind
	return s.spoil(f, record, lib, q)
}

func (s *Simulator) spoil(f Fault, record *Request, lib *library, q query) reply {
	f.Integer = f.Integer || s.opts.IntegerCode
	if at, stale := f.asOf(record.Time); stale {
		lib = lib.asOf(at)
	}
	page := view(lib, f.spoilQuery(q), q)
	f.spoilPage(&page)
	out, replaced := f.replaces(page, s.render)
	if !replaced {
		out = s.render.reply(success(f.Integer), page)
	}
	f.spoilReply(&out)
	return out
}

// view lists what one query finds under the page number of another: the asked one.
func view(lib *library, serve, asked query) pageView {
	found := lib.list(serve)
	return pageView{videos: found.videos, total: found.total, page: asked.page, pageSize: asked.pageSize}
}

package app

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"vidbell/internal/web"
	"vidbell/notify"
	"vidbell/poller"
	"vidbell/poller/memories"
)

// overviewTimeout bounds what a look at the whole waits for the engine: it must answer when that is away.
const overviewTimeout = 10 * time.Second

// overview is the whole service as people see it.
type overview struct {
	service *service
	started time.Time
}

// Status looks at everything. What cannot be asked is left out, and said.
func (o *overview) Status(ctx context.Context) web.Status {
	ctx, cancel := context.WithTimeout(ctx, overviewTimeout)
	defer cancel()
	s, build := o.service, BuildInfo()
	status := web.Status{
		Version: build.Version, Commit: build.Commit, Instance: s.cfg.Names.Instance, StartedAt: moment(o.started),
		UptimeSeconds: time.Since(o.started).Seconds(), Ready: true, Checks: s.ready(), Engine: o.engine(),
	}
	for _, c := range status.Checks {
		status.Ready = status.Ready && c.OK
	}
	// Before the state is loaded there is nothing to see of these, and a check says so.
	status.Accounts, _ = o.Accounts()
	status.Sources, _ = s.operator.Sources()
	var away []string
	var err error
	if status.Endpoints, err = s.courier.Endpoints(ctx); err != nil && !errors.Is(err, web.ErrStarting) {
		away = append(away, "the endpoints cannot be shown: the engine does not answer")
	}
	if status.Streams, err = streams(ctx, s.engine.JetStream, s.cfg.Names); err != nil {
		away = append(away, "the streams cannot be shown: the engine does not answer")
	}
	status.Attention = append(attention(status), away...)
	return status
}

// Accounts shows how every account is used.
func (o *overview) Accounts() ([]web.Account, error) { return o.service.operator.Accounts() }

func (o *overview) engine() web.Engine {
	conn := o.service.engine.Conn
	e := web.Engine{Mode: "embedded", Connected: conn.IsConnected(), Listen: o.service.engine.ListenAddr(), Version: conn.ConnectedServerVersion()}
	if !o.service.engine.Embedded() {
		e.Mode = "external"
		if u, err := url.Parse(conn.ConnectedUrlRedacted()); err == nil {
			e.Server = u.Host // what is before it may be a password
		}
	}
	return e
}

// streams are the sizes of those that are there. Another process, or a later version, may have made them.
func streams(ctx context.Context, js jetstream.JetStream, names notify.Names) (list []web.Stream, err error) {
	for _, name := range []string{
		names.Stream(), names.OpsStream(), names.DeliveriesStream(), names.DeadStream(), names.RetryStream(), names.ReplayStream(), names.HealthStream(),
		names.PositionsStream(),
	} {
		stream, err := js.Stream(ctx, name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			continue
		}
		if err != nil {
			return list, err
		}
		info := stream.CachedInfo()
		list = append(list, web.Stream{
			Name: name, Holds: strings.TrimPrefix(info.Config.Description, "vidbell: "), Messages: info.State.Msgs, Bytes: info.State.Bytes,
			MaxBytes: max(0, info.Config.MaxBytes), FirstAt: moment(info.State.FirstTime), LastAt: moment(info.State.LastTime),
		})
	}
	return list, nil
}

// Accounts shows every account of the configuration.
func (o *operator) Accounts() ([]web.Account, error) {
	a := o.attached.Load()
	if a == nil {
		return nil, web.ErrStarting
	}
	list := make([]web.Account, len(a.accounts))
	at := make(map[string]*web.Account, len(list))
	for i, c := range a.accounts {
		list[i] = web.Account{Name: c.Name, URL: platformHost(c.URL), Sources: []string{}, RateLimit: c.RateLimit, RequestsPerSecond: c.RateLimit}
		at[c.Name] = &list[i]
	}
	for _, s := range a.Status() {
		account := at[a.configured[s.Source].Account]
		if account == nil {
			continue // a source that is going
		}
		account.Sources = append(account.Sources, s.Source)
		if quota := a.quotas[s.Source]; quota != nil {
			u := quota.Usage()
			account.RateLimit, account.RequestsPerSecond, account.RequestsLastMinute = u.Limit, u.Rate, u.LastMinute
			account.ThrottledUntil = moment(u.Throttled)
		}
		if memories.Class(s.Degraded).Account() {
			account.Refused = string(s.Degraded)
		}
	}
	return list, nil
}

// platformHost leaves out of an address what may be secret in it.
func platformHost(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// shownProgress is how far a baseline has come.
func shownProgress(p *poller.Progress) *web.Baseline {
	if p == nil {
		return nil
	}
	b := &web.Baseline{
		StartedAt: moment(p.Since), Pages: p.Pages, ExpectedPages: p.TotalPages, Videos: p.Videos, VideosPerSecond: p.PerSecond,
	}
	if p.TotalVideos >= 0 {
		b.ExpectedVideos = &p.TotalVideos
	}
	if p.Left > 0 {
		left := p.Left.Seconds()
		b.SecondsLeft = &left
	}
	return b
}

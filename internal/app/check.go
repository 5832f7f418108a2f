package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"vidbell/diff"
	"vidbell/internal/config"
	"vidbell/internal/engine"
	"vidbell/internal/printable"
	"vidbell/internal/web"
	"vidbell/notify"
	"vidbell/notify/webhook"
	"vidbell/poller"
	"vidbell/poller/memories"
)

const (
	checkTimeout = 15 * time.Second
	checkPage    = 200
)

// verdict is the outcome of one check.
type verdict string

const (
	verdictOK   verdict = "ok"
	verdictNote verdict = "note" // works, but look
	verdictFail verdict = "fail"
)

// Finding is one line of the check command.
type Finding struct {
	Area    string  `json:"area"` // configuration, platform, engine, endpoint
	Name    string  `json:"name"`
	Verdict verdict `json:"verdict"`
	Detail  string  `json:"detail"`
}

type report struct {
	Findings []Finding        `json:"findings"`
	Settings []config.Setting `json:"settings,omitempty"`
}

// Check is the check command: configuration, then platform, engine and endpoints reached, each with a plain verdict. It
// changes nothing anywhere.
func Check(ctx context.Context, out io.Writer, asJSON bool) error {
	cfg, err := config.Load(checks()...)
	r := &report{}
	if err != nil {
		r.problems(err)
		return errors.Join(r.write(out, asJSON), &ExitError{Code: ExitConfig})
	}
	r.Settings = cfg.Effective()
	for _, warning := range cfg.Warnings {
		r.add("configuration", "file", verdictNote, warning)
	}
	r.add("configuration", whereFrom(cfg), verdictOK, plural(len(cfg.Sources), "source")+", "+plural(len(cfg.Endpoints), "endpoint"))
	platformOK := r.platform(ctx, cfg)
	addressOK := r.http(ctx, cfg)
	engineOK, logOK := r.engine(ctx, cfg)
	endpointsOK := r.endpoints(ctx, cfg)
	if err := r.write(out, asJSON); err != nil {
		return failed(err)
	}
	switch {
	case ctx.Err() != nil:
		return failed(ctx.Err())
	case !addressOK, !logOK:
		return &ExitError{Code: ExitConfig}
	case !platformOK:
		return &ExitError{Code: ExitPlatform}
	case !engineOK:
		return &ExitError{Code: ExitEngine}
	case !endpointsOK:
		return &ExitError{Code: ExitCheck}
	}
	return nil
}

// whereFrom is what the configuration was read from, in a word.
func whereFrom(cfg *config.Config) string {
	if cfg.File == "" {
		return "environment"
	}
	return cfg.File
}

func (r *report) add(area, name string, v verdict, detail string) {
	r.Findings = append(r.Findings, Finding{Area: area, Name: name, Verdict: v, Detail: safe(detail)})
}

func (r *report) problems(err error) {
	var problems config.Problems
	if !errors.As(err, &problems) {
		r.add("configuration", "environment", verdictFail, err.Error())
		return
	}
	for _, p := range problems {
		r.add("configuration", p.Name, verdictFail, p.Text)
	}
}

// platform makes one request for each source.
func (r *report) platform(ctx context.Context, cfg *config.Config) bool {
	list, err := sources(cfg)
	if err != nil {
		r.add("platform", "sources", verdictFail, err.Error())
		return false
	}
	ok := true
	for i, s := range list {
		ok = r.source(ctx, s, settingsOf(cfg, cfg.Sources[i])) && ok
	}
	return ok
}

// settings are where the key and the address of a source are set.
type settings struct{ key, url string }

func settingsOf(cfg *config.Config, s config.Source) settings {
	if len(cfg.Accounts) == 1 && s.Account == config.DefaultAccount {
		return settings{key: "VIDBELL_API_KEY", url: "VIDBELL_API_URL"}
	}
	return settings{key: "the key of account " + s.Account, url: "the URL of account " + s.Account}
}

// source asks with the source's own account.
func (r *report) source(ctx context.Context, s poller.Source, set settings) bool {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	if err := s.Account.Wait(ctx, poller.UrgentHead); err != nil {
		r.add("platform", s.Name, verdictFail, err.Error())
		return false
	}
	page, err := s.Lister.List(ctx, memories.Query{UniqueID: s.UniqueID, Page: 1, Size: checkPage})
	if err != nil {
		r.add("platform", s.Name, verdictFail, err.Error()+platformHint(memories.ClassOf(err), set))
		return false
	}
	if page.Received == 0 {
		r.add("platform", s.Name, verdictNote, fmt.Sprintf(
			"answers in %s, but has no videos under unique_id %q; a misspelt one answers just so", human(page.Elapsed), s.UniqueID))
		return true
	}
	r.add("platform", s.Name, verdictOK, fmt.Sprintf("answers in %s: %s; %s; %s",
		human(page.Elapsed), total(page), statuses(page), parseMeaning(s, page)))
	return true
}

func platformHint(c memories.Class, set settings) string {
	switch c {
	case memories.ClassUnauthorized:
		return "; check " + set.key
	case memories.ClassCredits:
		return "; recharge the account"
	case memories.ClassNetwork, memories.ClassTimeout, memories.ClassNotFound, memories.ClassMalformed:
		return "; check " + set.url + " and the way there"
	default:
		return ""
	}
}

func total(p memories.Page) string {
	if p.Total < 0 {
		return "at least " + plural(p.Received, "video")
	}
	return plural(int(p.Total), "video")
}

// statuses counts the words of a page.
func statuses(p memories.Page) string {
	counts := map[string]int{}
	for _, v := range p.Videos {
		counts[v.RawStatus]++
	}
	var parts []string
	for raw, n := range counts {
		if raw == "" {
			raw = "(none)"
		}
		parts = append(parts, fmt.Sprintf("%d %s", n, raw))
	}
	slices.Sort(parts)
	return "newest: " + strings.Join(parts, ", ")
}

// parseMeaning says what PARSE would be taken for after this page alone.
func parseMeaning(s poller.Source, p memories.Page) string {
	state := diff.NewState(s.Name, s.Words)
	at := diff.TimeOf(p.StartedAt)
	var in diff.Input
	for _, v := range p.Videos {
		in.Observations = append(in.Observations, diff.Observation{
			VideoNo: v.VideoNo, Raw: v.RawStatus, CreatedAt: diff.TimeOf(v.CreatedAt), At: at,
		})
	}
	in.SweepComplete = at
	state.Apply(diff.Reconcile(state, in, diff.Policy{}))
	meaning, why := s.Words.Parse(state.Evidence)
	if meaning == diff.Unknown {
		return "PARSE: " + why
	}
	return fmt.Sprintf("PARSE means %s: %s", meaning, why)
}

// http tries the address of the pages. That a running vidbell has it is no fault.
func (r *report) http(ctx context.Context, cfg *config.Config) bool {
	if cfg.HTTP.Listen == "" {
		return true
	}
	l, err := web.Listen(ctx, cfg.HTTP.Listen)
	if err == nil {
		_ = l.Close() // it was only tried
		r.add("http", "listener", verdictOK, cfg.HTTP.Listen+" is free")
		return true
	}
	if answersAsVidbell(ctx, cfg.HTTP.Listen) {
		r.add("http", "listener", verdictNote, "a vidbell that is running has "+cfg.HTTP.Listen)
		return true
	}
	r.add("http", "listener", verdictFail, err.Error())
	return false
}

// answersAsVidbell asks without the token: it may be somebody else.
func answersAsVidbell(ctx context.Context, listen string) bool {
	service := newRunning(listen, config.Secret{})
	_, body, err := service.ask(ctx, http.MethodGet, "/readyz")
	var answer struct {
		Ready  *bool       `json:"ready"`
		Checks []web.Check `json:"checks"`
	}
	return err == nil && json.Unmarshal(body, &answer) == nil && answer.Ready != nil && len(answer.Checks) > 0
}

// engine reaches the engine, and looks at the log in it. A log that does not go with the settings is a matter of these.
func (r *report) engine(ctx context.Context, cfg *config.Config) (engineOK, logOK bool) {
	ec := engineConfig(cfg, zap.NewNop())
	if !cfg.NATS.External() {
		return r.embedded(cfg, ec)
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	e, err := engine.Start(ec)
	if err != nil {
		r.add("engine", "external", verdictFail, err.Error())
		return false, true
	}
	defer e.Close()
	var last error
	if err := e.WaitReady(ctx, func(err error) { last = err }); err != nil {
		if errors.Is(err, context.DeadlineExceeded) && last != nil {
			err = fmt.Errorf("not reached within %s: %w", checkTimeout, last)
		}
		r.add("engine", "external", verdictFail, err.Error())
		return false, true
	}
	_, detail := e.Ready()
	r.add("engine", "external", verdictOK, detail+", JetStream enabled")
	return r.externalLog(ctx, cfg, e)
}

func (r *report) externalLog(ctx context.Context, cfg *config.Config, e *engine.Engine) (engineOK, logOK bool) {
	if n := cfg.NATS.Replicas; n > 1 && e.Conn.ConnectedClusterName() == "" {
		r.add("engine", "log", verdictFail, fmt.Sprintf(
			"there cannot be %d replicas, the server is no cluster: set VIDBELL_NATS_REPLICAS to 1", n))
		return true, false
	}
	var have []jetstream.StreamConfig
	for _, name := range []string{cfg.Names.Stream(), cfg.Names.OpsStream()} {
		s, err := e.JetStream.Stream(ctx, name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			continue
		}
		if err != nil {
			r.add("engine", "log", verdictFail, fmt.Sprintf("look at stream %s: %v", name, err))
			return false, true
		}
		have = append(have, s.CachedInfo().Config)
	}
	return true, r.log(cfg, have)
}

// log holds the streams that exist against the settings.
func (r *report) log(cfg *config.Config, have []jetstream.StreamConfig) bool {
	if err := notify.CheckStreams(cfg.Names, have...); err != nil {
		r.add("engine", "log", verdictFail, err.Error())
		return false
	}
	if len(have) == 0 {
		r.add("engine", "log", verdictOK, "none yet: all videos that are there at the first start are the baseline")
		return true
	}
	r.add("engine", "log", verdictOK, "stream "+cfg.Names.Stream()+" goes with the settings")
	return true
}

func (r *report) embedded(cfg *config.Config, ec engine.Config) (engineOK, logOK bool) {
	err := engine.CheckEmbedded(ec)
	switch {
	case err == nil:
		r.add("engine", "embedded", verdictOK, "data directory "+ec.DataDir+" can be used, "+listenText(ec.Listen))
	case errors.Is(err, engine.ErrInUse):
		r.add("engine", "embedded", verdictNote, err.Error())
	default:
		r.add("engine", "embedded", verdictFail, err.Error())
		return false, true
	}
	have, err := engine.StoredStreams(ec)
	if err != nil {
		r.add("engine", "log", verdictFail, err.Error())
		return false, true
	}
	return true, r.log(cfg, have)
}

func listenText(listen string) string {
	if listen == "" || listen == "off" {
		return "no listener"
	}
	return listen + " is free"
}

func (r *report) endpoints(ctx context.Context, cfg *config.Config) bool {
	ok := true
	for _, e := range endpoints(cfg) {
		res, err := webhook.Probe(ctx, e, cfg.Webhook.AllowNetworks)
		if err != nil {
			r.add("endpoint", e.Name, verdictFail, err.Error())
			ok = false
			continue
		}
		detail := fmt.Sprintf("connects to %s in %s", res.Address, human(res.Took))
		if res.TLS != "" {
			detail += fmt.Sprintf(", %s, certificate until %s", res.TLS, res.CertificateExpires.Format(time.DateOnly))
		}
		v := verdictOK
		if len(e.Secrets) == 0 && verifies(e.Format) {
			v = verdictNote
			detail += "; requests are not signed: set VIDBELL_WEBHOOK_SECRET"
		}
		r.add("endpoint", e.Name, v, detail)
	}
	return ok
}

// verifies tells whether receivers of a format are programs of somebody's own, which can look at signatures. Chats and on-call
// tools do not.
func verifies(f webhook.Format) bool {
	return f == webhook.FormatStandard || f == webhook.FormatCloudEvents || f == webhook.FormatTemplate
}

func (r *report) write(out io.Writer, asJSON bool) error {
	if asJSON {
		e := json.NewEncoder(printable.Writer(out))
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(r)
	}
	p := newPrinter(out)
	for _, f := range r.Findings {
		p.line("%s  %-13s %-24s %s", p.paint(verdictColour(f.Verdict), fmt.Sprintf("%-4s", f.Verdict)), f.Area, f.Name, f.Detail)
	}
	if n := r.failures(); n > 0 {
		p.line("\n%s", plural(n, "problem"))
	}
	if len(r.Settings) == 0 {
		return nil
	}
	p.line("\nSettings other than the defaults (\"vidbell config show --all\" lists every one):")
	return printSettings(out, r.Settings, false)
}

func (r *report) failures() int {
	n := 0
	for _, f := range r.Findings {
		if f.Verdict == verdictFail {
			n++
		}
	}
	return n
}

func verdictColour(v verdict) colour {
	switch v {
	case verdictOK:
		return green
	case verdictNote:
		return yellow
	case verdictFail:
		return red
	}
	return plainText
}

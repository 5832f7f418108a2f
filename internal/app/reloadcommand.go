package app

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"vidbell/internal/web"
)

// Reload is the reload command: the running service reads its configuration again.
func Reload(ctx context.Context, out io.Writer, asJSON bool) error {
	service, err := findRunning("VIDBELL_HTTP_TOKEN")
	if err != nil {
		return failed(err)
	}
	status, body, err := service.call(ctx, call{method: http.MethodPost, path: "/v1/reload", timeout: slowAsk})
	if err != nil {
		return failed(err)
	}
	if status == http.StatusConflict {
		return &ExitError{Code: ExitConfig, Err: service.refused(status, body)}
	}
	if status != http.StatusOK {
		return failed(service.refused(status, body))
	}
	var change web.Reloaded
	if err := json.Unmarshal(body, &change); err != nil {
		return failed(service.notOurs("answers with something else"))
	}
	if asJSON {
		return failed(indent(out, body))
	}
	p := newPrinter(out)
	nothing := true
	for _, d := range []struct {
		what string
		web.Difference
	}{{"sources", change.Sources}, {"endpoints", change.Endpoints}} {
		for _, part := range []struct {
			word  string
			names []string
		}{{"added", d.Added}, {"changed", d.Changed}, {"removed", d.Removed}} {
			if len(part.names) > 0 {
				p.line("%s %s: %s", d.what, part.word, safe(strings.Join(part.names, ", ")))
				nothing = false
			}
		}
	}
	if nothing {
		p.line("read again; no source and no endpoint has changed")
	}
	return nil
}

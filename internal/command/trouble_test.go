package command_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"vidbell/internal/app"
	"vidbell/internal/command"
)

// operated are the commands that ask a running service, each with what it needs to get that far.
var operated = map[string]string{
	"vidbell status":            "status",
	"vidbell sources":           "sources",
	"vidbell sources release":   "sources release press --yes",
	"vidbell endpoints":         "endpoints",
	"vidbell endpoints enable":  "endpoints enable ops",
	"vidbell endpoints disable": "endpoints disable ops",
	"vidbell deliveries":        "deliveries",
	"vidbell dead-letters":      "dead-letters",
	"vidbell replay":            "replay --endpoint ops --dead --yes",
	"vidbell why":               "why ops VI1",
	"vidbell send-test":         "send-test ops",
	"vidbell tail":              "tail",
	"vidbell events":            "events",
	"vidbell events show":       "events show evt_1",
	"vidbell videos":            "videos",
	"vidbell videos show":       "videos show VI1",
	"vidbell reload":            "reload",
}

// alone are the commands that ask no running service.
var alone = []string{
	"vidbell", "vidbell run", "vidbell demo", "vidbell check", "vidbell simulate", "vidbell version", "vidbell schedule", "vidbell help", "vidbell env",
	"vidbell config", "vidbell config show", "vidbell config schema", "vidbell config example", "vidbell init",
	"vidbell healthcheck", // it says not ready, whatever the reason
}

// Each command that asks the service says what is wrong and what to do about it, on stderr alone, when it does not get an answer.
func TestTroubleWithTheService(t *testing.T) {
	known := make(map[string]bool, len(alone))
	for _, path := range alone {
		known[path] = true
	}
	for _, c := range commands(t) {
		if path := c.CommandPath(); operated[path] == "" && !known[path] {
			t.Errorf("%s: say here whether it asks the service", path)
		}
	}

	page := func(status int, contentType, body string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		})
	}
	const problem = "application/problem+json"
	serve := func(h http.Handler) string {
		s := httptest.NewServer(h)
		t.Cleanup(s.Close)
		return s.Listener.Addr().String()
	}
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = zap.NewStdLog(zap.NewNop())
	secure.StartTLS()
	t.Cleanup(secure.Close)
	for _, tc := range []struct {
		sentence, address string
		code              int
		says              []string
	}{
		{
			"nothing listens there", gone.Listener.Addr().String(), app.ExitFailed,
			[]string{"no vidbell answers at ", "start it with vidbell run", "VIDBELL_HTTP_LISTEN"},
		},
		{
			"another token", serve(page(401, problem, `{"title":"Unauthorized","status":401,"detail":"send the token"}`)), app.ExitConfig,
			[]string{"the service asks for its token", "VIDBELL_HTTP_TOKEN", "VIDBELL_HTTP_TOKEN_FILE"},
		},
		{
			"an older service", serve(page(404, problem, `{"title":"Not Found","status":404,"detail":"no such page, / lists them"}`)), app.ExitFailed,
			[]string{"has no such page", "older than this command", "vidbell version"},
		},
		{
			"a service that starts", serve(page(503, problem, `{"title":"x","status":503,"detail":"the state is not loaded yet, /readyz says what is waited for"}`)), app.ExitFailed,
			[]string{"the state is not loaded yet"},
		},
		{"a web site", serve(page(200, "text/html", "<html>hello</html>")), app.ExitFailed, []string{"is no vidbell", "VIDBELL_HTTP_LISTEN"}},
		{"a web site without the page", serve(page(404, "text/html", "<html>404</html>")), app.ExitFailed, []string{"is no vidbell", "status 404", "VIDBELL_HTTP_LISTEN"}},
		{"a web site that redirects", serve(http.RedirectHandler("https://example.org/", http.StatusFound)), app.ExitFailed, []string{"is no vidbell", "VIDBELL_HTTP_LISTEN"}},
		{"a TLS proxy before it", secure.Listener.Addr().String(), app.ExitFailed, []string{"speaks TLS", "VIDBELL_HTTP_LISTEN"}},
		{"it is switched off", "off", app.ExitFailed, []string{"VIDBELL_HTTP_LISTEN is off"}},
	} {
		for path, line := range operated {
			t.Run(tc.sentence+": "+path, func(t *testing.T) {
				setEnv(t, "VIDBELL_HTTP_LISTEN="+tc.address, "VIDBELL_HTTP_TOKEN=hush-token-hush-token")
				out, err := within(t, strings.Fields(line))
				if tc.sentence == "a service that starts" && path == "vidbell tail" {
					return // which waits for it
				}
				if err == nil || out != "" || app.ExitCode(err) != tc.code {
					t.Fatalf("exit code %d, %v, stdout %q", app.ExitCode(err), err, out)
				}
				for _, text := range tc.says {
					if !strings.Contains(err.Error(), text) {
						t.Errorf("%q is not in: %v", text, err)
					}
				}
				if strings.Contains(err.Error(), "hush") {
					t.Errorf("it tells the token: %v", err)
				}
			})
		}
	}
}

// within runs a command that must come to its end by itself, but for tail, which is given a moment.
func within(t *testing.T, args []string) (out string, err error) {
	t.Helper()
	var stdout, stderr strings.Builder
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if args[0] == "tail" {
		ctx, cancel = context.WithTimeout(ctx, 300*time.Millisecond)
		defer cancel()
	}
	root := command.Root()
	root.SetArgs(args)
	root.SetIn(strings.NewReader(""))
	root.SetOut(&stdout)
	root.SetErr(&stderr)
	err = root.ExecuteContext(ctx)
	return stdout.String(), err
}

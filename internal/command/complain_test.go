package command

import (
	"bytes"
	"errors"
	"testing"

	"vidbell/internal/app"
)

func TestComplain(t *testing.T) {
	wrong := errors.New("two\nlines")
	for name, c := range map[string]struct {
		args []string
		err  error
		code int
		want string
	}{
		"nothing":               {[]string{"endpoints"}, nil, app.ExitOK, ""},
		"all was said":          {[]string{"send-test", "--json"}, &app.ExitError{Code: app.ExitCheck}, app.ExitCheck, ""},
		"for people":            {[]string{"endpoints"}, wrong, app.ExitFailed, "vidbell: two\nlines\n"},
		"for programs":          {[]string{"endpoints", "--json"}, wrong, app.ExitFailed, `{"error":"two\nlines","exit_code":1}` + "\n"},
		"settings, for people":  {[]string{"check"}, wrong, app.ExitConfig, "vidbell: two\nlines\n\"vidbell help env\" lists all settings\n"},
		"settings, programs":    {[]string{"check", "--json"}, wrong, app.ExitConfig, `{"error":"two\nlines","exit_code":3}` + "\n"},
		"a command without":     {[]string{"run"}, wrong, app.ExitFailed, "vidbell: two\nlines\n"},
		"JSON was not asked of": {[]string{"deliveries", "--json=false"}, wrong, app.ExitFailed, "vidbell: two\nlines\n"},
	} {
		t.Run(name, func(t *testing.T) {
			ran, rest, err := Root().Find(c.args)
			if err != nil {
				t.Fatal(err)
			}
			if err := ran.ParseFlags(rest); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			if Complain(&out, ran, c.err, c.code); out.String() != c.want {
				t.Errorf("says %q, want %q", out.String(), c.want)
			}
		})
	}
	var out bytes.Buffer
	if Complain(&out, nil, wrong, app.ExitUsage); out.String() != "vidbell: two\nlines\n" {
		t.Errorf("without a command it says %q", out.String())
	}
}

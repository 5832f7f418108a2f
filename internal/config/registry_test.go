package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// The struct that envconfig fills and the list of variables name the same things.
func TestEnvironmentHasEveryVariable(t *testing.T) {
	var tags []string
	for _, f := range reflect.VisibleFields(reflect.TypeFor[environment]()) {
		tags = append(tags, f.Tag.Get("envconfig"))
	}
	known := knownNames()
	slices.Sort(tags)
	slices.Sort(known)
	if !slices.Equal(tags, known) {
		t.Errorf("environment has\n%q\nthe variables are\n%q", tags, known)
	}
}

// Every default parses, no name is one that Kubernetes may set, every variable is explained.
func TestVariablesAreSound(t *testing.T) {
	Defaults()
	for _, v := range Variables() {
		if v.Name == "" || v.Group == "" || v.Type == "" || v.Meaning == "" || strings.HasSuffix(v.Meaning, ".") {
			t.Errorf("%s is not explained: %+v", v.Name, v)
		}
		if serviceLink(v.Name, "tcp://10.0.0.1:80") {
			t.Errorf("Kubernetes may set %s", v.Name)
		}
		if v.Secret && v.Default != "" {
			t.Errorf("%s has a default secret", v.Name)
		}
	}
}

func TestHelpNamesEveryVariableAndKeepsTheWidth(t *testing.T) {
	for _, width := range []int{0, 60, 100} {
		var out bytes.Buffer
		if err := Help(&out, width); err != nil {
			t.Fatal(err)
		}
		for _, v := range Variables() {
			if !strings.Contains(out.String(), v.Name+"  (") {
				t.Errorf("width %d: %s is missing", width, v.Name)
			}
		}
		for line := range strings.Lines(out.String()) {
			longWord := !strings.Contains(strings.TrimSpace(line), " ") || strings.Contains(line, "  (")
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > max(width, 80) && !longWord {
				t.Errorf("width %d: line of %d: %q", width, n, line)
			}
		}
	}
}

func TestSecretIsNeverPrinted(t *testing.T) {
	type holder struct{ hidden Secret }
	secret := NewSecret("hush")
	texts := []string{secret.String(), secret.GoString()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		texts = append(texts, fmt.Sprintf(verb, secret), fmt.Sprintf(verb, &secret), fmt.Sprintf(verb, []Secret{secret}),
			fmt.Sprintf(verb, holder{secret}))
	}
	for _, v := range []any{secret, []Secret{secret}, map[string]Secret{"a": secret}, struct{ S Secret }{secret}} {
		out, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(out), logged(zap.Any("x", v)), logged(zap.Reflect("x", v)))
	}
	for _, text := range texts {
		if strings.Contains(text, "hush") || strings.Contains(text, fmt.Sprintf("%x", "hush")) {
			t.Errorf("the secret is printed: %s", text)
		}
	}
	if secret.Reveal() != "hush" || !secret.IsSet() || NewSecret("").IsSet() || (Secret{}).String() != "" {
		t.Error("a secret has lost its text, or an unset one is set")
	}
}

func logged(field zap.Field) string {
	var out bytes.Buffer
	encoder := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig())
	zap.New(zapcore.NewCore(encoder, zapcore.AddSync(&out), zap.DebugLevel)).Info("m", field)
	return out.String()
}

// No text makes a parser panic, and what is accepted keeps its bounds.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"15s", "30", "a,b", "https://a.example/x", "nats://u:p@h:1", "127.0.0.1:8080", "10.0.0.0/8", "\xff", "DONE,,"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if strings.TrimSpace(value) == "" {
			t.Skip("unset")
		}
		c := Defaults()
		for _, v := range Variables() {
			if v.Type == "file" {
				continue // would read whatever the text names
			}
			if err := v.parse(c, value); err == nil {
				_ = v.show(value)
			}
		}
		for _, s := range c.one.sources {
			if !namePattern.MatchString(s.Name) {
				t.Errorf("source name %q", s.Name)
			}
		}
		if c.one.poll.Interval < minDuration || c.one.account.RateLimit <= 0 || c.Webhook.InFlight < 1 {
			t.Errorf("out of bounds: %+v %+v", c.one.poll, c.Webhook)
		}
	})
}

package config_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"vidbell/internal/config"
)

// samples are values that are no defaults, of the types that have no obvious one, and of the variables that take but some.
var samples = map[string]string{
	"duration": "25s", "number": "3", "text": "a", "list": "a", "file": "sample", "folder": "sample", "expression": "data.version == 1",
	"true|false": "true", "address": "127.0.0.1:4999", "debug|info|warn|error": "warn", "auto|console|json": "json", "none|video": "video",

	"VIDBELL_API_URL": "https://api.example.com", "VIDBELL_BASELINE": "emit", "VIDBELL_STATUS_PARSE": "done",
	"VIDBELL_STATUS_DONE": "FINISHED", "VIDBELL_STATUS_FAILED": "BROKEN", "VIDBELL_STATUS_PROCESSING": "BUSY",
	"VIDBELL_WEBHOOK_URL": "https://a.example.com/x", "VIDBELL_WEBHOOK_EVENTS": "video.deleted", "VIDBELL_WEBHOOK_ALLOW_NETWORKS": "10.20.0.0/16",
	"VIDBELL_WEBHOOK_HEADERS": "X-Team=a", "VIDBELL_WEBHOOK_FORMAT": "slack", "VIDBELL_WEBHOOK_LINK": "https://a.example.com/{video_no}",
	"VIDBELL_WEBHOOK_ALERT_FOR": "2h", "VIDBELL_NATS_URL": "nats://a:4222", "VIDBELL_HINT_SECRET": "0123456789abcdef",
	"VIDBELL_POLL_MAX_INTERVAL": "2m", "VIDBELL_WEBHOOK_SCHEDULE": "fast", "VIDBELL_WEBHOOK_SOURCES": "default",
}

func sampleOf(t *testing.T, v config.Variable) string {
	t.Helper()
	for _, key := range []string{v.Name, v.Type} {
		if s, known := samples[key]; known {
			return s
		}
	}
	t.Fatalf("%s of type %q needs a sample", v.Name, v.Type)
	return ""
}

// inFile is a file with one value, at the place of a variable.
func inFile(path, value string) string {
	section, key, nested := strings.Cut(path, ".")
	switch list := strings.TrimSuffix(section, "[]"); {
	case !nested:
		return fmt.Sprintf("%s: %q\n", section, value)
	case list != section:
		return fmt.Sprintf("%s: [{%s: %q}]\n", list, key, value)
	}
	return fmt.Sprintf("%s: {%s: %q}\n", section, key, value)
}

// effects are what a service would do differently.
func effects(c *config.Config) []any {
	all := []any{c.Webhook.AllowNetworks, c.Webhook.Delivery, c.NATS, c.HTTP, c.Log, c.Names, c.DataDir, c.Retention}
	for _, a := range c.Accounts {
		all = append(all, a)
	}
	for _, s := range c.Sources {
		all = append(all, s)
	}
	for _, e := range c.Endpoints {
		all = append(all, e.URL, e.Name, e.Delivery)
	}
	return all
}

func TestAVariableAndItsKeyInTheFileDoTheSame(t *testing.T) {
	for _, v := range config.Variables() {
		switch v.Name {
		case "VIDBELL_CONFIG", "VIDBELL_UNIQUE_ID": // the one names the file, the other has keys beside it there
			continue
		case "VIDBELL_NATS_TLS_CA", "VIDBELL_NATS_TLS_CERT", "VIDBELL_NATS_TLS_KEY": // files like creds, which must fit each other
			continue
		}
		t.Run(v.Name, func(t *testing.T) {
			value := sampleOf(t, v)
			text := inFile(v.Path(), value)
			if strings.HasPrefix(text, "accounts") && v.Name != "VIDBELL_API_KEY" {
				text = strings.Replace(text, "{", "{api_key: k, ", 1)
			}
			write(t, text, "sample", "text")
			switch v.Name {
			case "VIDBELL_NATS_CREDS", "VIDBELL_NATS_NKEY", "VIDBELL_NATS_REPLICAS": // of an external server
				t.Setenv("VIDBELL_NATS_URL", "nats://a:4222")
			}
			if !strings.HasPrefix(text, "accounts") {
				t.Setenv("VIDBELL_API_KEY", "k")
			}
			fromFile := effects(loaded(t))

			t.Setenv("VIDBELL_CONFIG", "")
			t.Setenv("VIDBELL_API_KEY", "k")
			t.Setenv(v.Name, value)
			fromVariable := effects(loaded(t))
			if !reflect.DeepEqual(fromFile, fromVariable) {
				t.Errorf("the file makes\n%+v\nthe variable\n%+v", fromFile, fromVariable)
			}
			t.Setenv(v.Name, "")
			if v.Name == "VIDBELL_API_KEY" {
				t.Setenv(v.Name, "another")
			}
			if reflect.DeepEqual(fromVariable, effects(loaded(t))) {
				t.Errorf("the sample %s changes nothing", value)
			}
		})
	}
}

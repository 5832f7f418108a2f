package config_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"vidbell/internal/config"
)

// hidden is the secret of the files below. No variable and no plain word can be it.
const hidden = "geheim-4711"

func FuzzFile(f *testing.F) {
	f.Add(whole)
	for _, b := range brokenFiles {
		f.Add(strings.ReplaceAll(b.text, "geheim", hidden))
	}
	for _, text := range []string{
		"a: &a [*a]\n", "? {a: b}\n: c\n",
		"accounts: [{api_key: #}]", "accounts: [{api_key:#}]", "accounts: [{api_key=#}]", "accounts: [{api_key #: x}]", "accounts: [#]", "#: x", "#",
		"accounts:\n  - api_key:#\n    name: a\n", "accounts: [{api_key: [#]}]", "accounts: [{api_key: {#: x}}]", "accounts: [{api_kee: #}]",
		"accounts: [{api_key: '# #'}]", "accounts: [{api_key: 'Bearer #'}]", "accounts: [{api_key: k, <<: #}]", "accounts: [{api_key: '${#}'}]",
		"endpoints: [{url: 'https://a/#', secret: [#, [#], #]}]", "endpoints: [{url: 'ftp://#'}]", "endpoints: [{url: 'https://#:#@a'}]", "endpoints: [{url: #}]",
		"endpoints: [{headers: {A: #}}]", "endpoints: [{headers: {A=#}}]", "endpoints: [{headers: '#'}]", "endpoints: [{headers: {A: [#]}}]",
		"endpoints: [{routing_key: #, routing_key: #}]", "http: {token: '# ', hint_secret: #}", "nats: {url: ['nats://u:#@h', 'http://#@h', #], listen_token: \"#\\n\"}",
		"nats: nats://u:#@h", "http: {token: &a #}\nnats: {listen_token: *a}", "log: !!# info", "http: {token: !# x}", "webhook: {secret: |\n  #\n  #\n}",
	} {
		f.Add(strings.ReplaceAll(text, "#", hidden))
	}
	name := filepath.Join(f.TempDir(), "vidbell.yaml")
	f.Setenv("VIDBELL_CONFIG", name)
	mayTell := toldKeys(f)
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load()
		c.ValidateSources(new(config.Problems))
		_ = c.NeedsRestart(config.Defaults())
		if told(text, mayTell) {
			return
		}
		for _, line := range lines(err) {
			if strings.Contains(line, hidden) {
				t.Errorf("a problem repeats a secret: %s", line)
			}
		}
		for _, s := range c.Effective() {
			if strings.Contains(s.Name+s.Value, hidden) {
				t.Errorf("%s shows a secret: %s", s.Name, s.Value)
			}
		}
	})
}

// toldKeys are the keys of values that are no secrets, so those that may be repeated.
func toldKeys(tb testing.TB) (keys []string) {
	tb.Helper()
	text, err := config.Schema()
	if err != nil {
		tb.Fatal(err)
	}
	var schema any
	if err := json.Unmarshal(text, &schema); err != nil {
		tb.Fatal(err)
	}
	var collect func(v any)
	collect = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, one := range v {
				collect(one)
			}
		case map[string]any:
			properties, _ := v["properties"].(map[string]any)
			for key := range properties {
				if _, secret := properties[key+"_file"]; !secret {
					keys = append(keys, key)
				}
			}
			for _, one := range v {
				collect(one)
			}
		}
	}
	collect(schema)
	// An address is one key for accounts and the engine, and a secret for endpoints; a template is text of one's own.
	keys = slices.DeleteFunc(keys, func(key string) bool { return key == "url" })
	if len(keys) < 50 || slices.Contains(keys, "api_key") || !slices.Contains(keys, "level") {
		tb.Fatalf("these may be told: %q", keys)
	}
	return keys
}

// told tells whether the secret stands where no secret belongs, so that a problem may repeat it: as the value of another key.
func told(text string, keys []string) bool {
	var root yaml.Node
	if yaml.Load([]byte(strings.TrimPrefix(text, "\ufeff")), &root, yaml.WithUniqueKeys(false)) != nil {
		return false
	}
	left := 10_000
	var look func(n *yaml.Node, key string) bool
	look = func(n *yaml.Node, key string) bool {
		left--
		switch {
		case n == nil || left < 0:
			return left < 0 // too much to say
		case n.Kind == yaml.AliasNode:
			return look(n.Alias, key)
		case n.Kind == yaml.ScalarNode:
			return strings.Contains(n.Value, hidden) && (slices.Contains(keys, key) || key == "url" && strings.Contains(hosts(n.Value), hidden))
		case n.Kind != yaml.MappingNode:
			return slices.ContainsFunc(n.Content, func(one *yaml.Node) bool { return look(one, key) })
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if look(n.Content[i+1], n.Content[i].Value) {
				return true
			}
		}
		return false
	}
	return look(&root, "")
}

// hosts are the hosts of a list of addresses, which are shown.
func hosts(value string) string {
	var b strings.Builder
	for _, address := range strings.Split(value, ",") {
		_, rest, _ := strings.Cut(address, "//")
		rest = rest[:len(rest)-len(strings.TrimLeftFunc(rest, func(r rune) bool { return !strings.ContainsRune("/?#", r) }))]
		b.WriteString(rest[strings.LastIndexByte(rest, '@')+1:] + ",")
	}
	return b.String()
}

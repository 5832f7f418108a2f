package config

import "strings"

// Origin says where a value came from.
type Origin string

// The origins of a value.
const (
	OriginDefault Origin = "default"
	OriginEnv     Origin = "env"
	OriginFile    Origin = "file"   // a file named by a _FILE variable
	OriginConfig  Origin = "config" // the configuration file
)

// Setting is one effective value, fit to be shown.
type Setting struct {
	Name   string `json:"name"` // a variable, or the path of a key such as endpoints[1].filter
	Value  string `json:"value"`
	Origin Origin `json:"origin"`
	Place  string `json:"place,omitempty"` // file:line:column, of the configuration file

	path string // of the key, where there is a Place
}

// Effective returns every setting that was loaded, secrets masked, URLs cut to scheme and host, in documented order.
func (c *Config) Effective() []Setting {
	return append(append([]Setting(nil), c.settings...), c.items...)
}

// show is the text of a value that people may see.
func (v Variable) show(value string) string {
	value = strings.TrimSpace(value)
	switch {
	case value == "":
		return ""
	case v.Secret:
		return redacted
	case v.url:
		shown := split(value)
		for i := range shown {
			shown[i] = showURL(shown[i])
		}
		return strings.Join(shown, ",")
	}
	return value
}

func (c *Config) origin(name string) Origin {
	for _, s := range c.settings {
		if s.Name == name {
			return s.Origin
		}
	}
	return OriginDefault
}

// NameOf is what a person would have to correct about a setting: its variable, or the one that names the file it was read from.
func (c *Config) NameOf(variable string) string {
	return Variable{Name: variable}.name(c.origin(variable))
}

// reshow corrects the shown value of a default that follows another setting.
func (c *Config) reshow(name, value string) {
	for i := range c.settings {
		if c.settings[i].Name == name {
			c.settings[i].Value = value
		}
	}
}

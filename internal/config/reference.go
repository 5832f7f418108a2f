package config

import (
	_ "embed" // the example
	"fmt"
	"strings"
)

// Example is a configuration file with every key explained.
//
//go:embed example.yaml
var Example string

// Reference is the text of docs/configuration.md.
func Reference() string {
	var b strings.Builder
	b.WriteString(referenceHead)
	for _, s := range []struct {
		title, section, text string
		fields               []field
	}{
		{"accounts", "", "A list. Keys to the platform: sources of one account share its quota.", fieldsOf(sectionAccounts)},
		{"poll", "", "For all sources that say nothing else; a source may have a `poll` of its own.", fieldsOf(sectionPoll)},
		{"words", "", "For all sources that say nothing else; a source may have a `words` of its own.", fieldsOf(sectionWords)},
		{"endpoints", "", "A list. `name` (made from the URL when left out), `url`, and every key of `webhook` but `allow_networks`.", secretURL(fieldsOf(sectionEndpoints))},
		{"webhook", "", "For all endpoints that say nothing else.", fieldsOf(sectionWebhook)},
		{"nats", "", "The engine.", fieldsOf("nats")},
		{"http", "", "vidbell's own server.", fieldsOf("http")},
		{"log", "", "Log lines.", fieldsOf("log")},
		{"At the top", "", "", fieldsOf("")},
	} {
		title := "`" + s.title + "`"
		if strings.Contains(s.title, " ") {
			title = s.title
		}
		fmt.Fprintf(&b, "\n### %s\n\n", title)
		if s.text != "" {
			b.WriteString(s.text + "\n\n")
		}
		if s.title == sectionAccounts {
			b.WriteString("`name`: 1 to 64 letters, digits, - or _; `default` when left out.\n\n")
		}
		b.WriteString("| key | variable | type | default | meaning |\n|---|---|---|---|---|\n")
		for _, f := range s.fields {
			b.WriteString(f.row())
		}
		if s.title == sectionAccounts {
			b.WriteString(referenceSources)
		}
	}
	b.WriteString(referenceTail)
	return b.String()
}

func (f field) row() string {
	keys := make([]string, 0, 2)
	for _, k := range f.keys() {
		keys = append(keys, "`"+k+"`")
	}
	variable := "none"
	if f.Name != "" {
		variable = "`" + f.Name + "`"
		if f.Secret && f.Type != "URL" {
			variable += ", `_FILE`"
		}
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s |\n", strings.Join(keys, ", "), variable, cell(f.Type), f.defaultCell(), cell(f.Meaning))
}

const referenceSources = `
### ` + "`sources`" + `

A list. Listings that are watched.

| key | default | meaning |
|---|---|---|
| ` + "`name`" + ` | made from ` + "`unique_id`" + ` | in subjects, metrics and logs: 1 to 64 letters, digits, - or _ |
| ` + "`unique_id`" + ` | the name | the namespace asked for (` + "`VIDBELL_UNIQUE_ID`" + `) |
| ` + "`account`" + ` | the only one | name of the account it is asked with |
| ` + "`video_name`" + ` | all | pattern over the names of videos, such as ` + "`raw_*`" + `; others are not looked at |
| ` + "`poll`, `words`" + ` | those at the top | in place of the values for all sources |
`

const referenceHead = `# Configuration

<!-- Generated: UPDATE_DOCS=1 go test -run TestTheReferenceIsTheCode ./internal/config -->

One account and receivers that are all alike need no file: ` + "`" + `VIDBELL_*` + "`" + ` variables are enough, and ` + "`" + `vidbell help env` + "`" + ` lists them. For several
accounts, or endpoints that differ, there is a YAML file:

` + "`" + `` + "`" + `` + "`" + `sh
vidbell init                                 # writes vidbell.yaml and vidbell.env, with a fresh signing secret
vidbell check --config vidbell.yaml          # tries everything, changes nothing, and shows what is in force and where it comes from
VIDBELL_CONFIG=vidbell.yaml vidbell          # or: vidbell --config vidbell.yaml
` + "`" + `` + "`" + `` + "`" + `

` + "`" + `vidbell config example` + "`" + ` prints a file with every key explained ([deploy/vidbell.example.yaml](../deploy/vidbell.example.yaml)), ` + "`" + `vidbell config schema` + "`" + ` a JSON
Schema for editors ([deploy/vidbell.schema.json](../deploy/vidbell.schema.json)), ` + "`" + `vidbell config show` + "`" + ` what is in force, offline. With
` + "`" + `# yaml-language-server: $schema=vidbell.schema.json` + "`" + ` as its first line, editors complete and check the file.

## How values combine

1. A variable overrides what the file says at the top of it: in ` + "`" + `poll` + "`" + `, ` + "`" + `words` + "`" + `, ` + "`" + `webhook` + "`" + `, ` + "`" + `nats` + "`" + `, ` + "`" + `http` + "`" + `, ` + "`" + `log` + "`" + ` and the keys beside them. What a single
   source or endpoint says itself stands.
2. ` + "`" + `VIDBELL_API_KEY` + "`" + `, ` + "`" + `VIDBELL_API_URL` + "`" + ` and ` + "`" + `VIDBELL_RATE_LIMIT` + "`" + ` are about the account named ` + "`" + `default` + "`" + `: they override it in the file, or make it.
3. ` + "`" + `VIDBELL_UNIQUE_ID` + "`" + ` adds sources to those of the file; its default counts only where the file has no ` + "`" + `sources` + "`" + `.
4. ` + "`" + `VIDBELL_WEBHOOK_URL` + "`" + ` adds endpoints to those of the file.
5. ` + "`" + `--config` + "`" + ` wins over ` + "`" + `VIDBELL_CONFIG` + "`" + `.

Mistakes are reported all at once, each with its place, before anything starts (exit code 3):

` + "`" + `` + "`" + `` + "`" + `
vidbell.yaml:14:13: poll.interval: "30" has no unit, write 30s
vidbell.yaml:22:5: endpoints[1].secrett: unknown key, did you mean secret?
VIDBELL_NATS_UR: unknown variable, did you mean VIDBELL_NATS_URL?
` + "`" + `` + "`" + `` + "`" + `

## Values

- Durations need a unit: ` + "`" + `500ms` + "`" + `, ` + "`" + `15s` + "`" + `, ` + "`" + `10m` + "`" + `, ` + "`" + `1h30m` + "`" + `. Lists are YAML lists, or one text with commas.
- A value that is ` + "`" + `${VARIABLE}` + "`" + ` as a whole is taken from the environment; one that is not set is an error. ` + "`" + `$${` + "`" + ` begins a value that really starts with ` + "`" + `${` + "`" + `.
- Each secret may stand in a file: ` + "`" + `api_key_file` + "`" + `, ` + "`" + `secret_file` + "`" + ` and so on in the YAML file, ` + "`" + `VIDBELL_API_KEY_FILE` + "`" + ` and so on as variables. Both forms at once are an error, one trailing
  line break is cut, an empty file is an error. A secret in the YAML file itself is taken, with a warning where others may read the file.
- Relative paths in the file begin at its folder, but ` + "`" + `data_dir` + "`" + `, which begins where vidbell is started.
- YAML anchors, aliases and merges (` + "`" + `<<: *name` + "`" + `) work within the documented keys. One document, at most 1 MiB, and at most 100,000 values and 8 MiB once aliases are followed.

## Keys
`

const referenceTail = ``

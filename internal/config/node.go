package config

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// maxConfigFile bounds the configuration file, in bytes: a thousand endpoints are a fifth of it.
const maxConfigFile = 1 << 20

// document is a configuration file on its way to a Config. It adds what is wrong to problems, each under the path of the
// setting, and remembers where each path stands.
type document struct {
	name     string // as given
	root     map[string]*yaml.Node
	problems *Problems
	places   map[string]string
	sections map[string]map[string]*yaml.Node
	files    []string // that it names
	broken   bool     // nothing of it could be read
	inline   bool     // it holds a secret itself
}

// openDocument reads a file. What is no mapping of known keys is reported, and left out.
func openDocument(name string, problems *Problems) *document {
	d := &document{name: name, problems: problems, places: map[string]string{}}
	text, err := readConfigFile(name)
	if err != nil {
		problems.AddErr("VIDBELL_CONFIG", err)
		d.broken = true
		return d
	}
	var root yaml.Node
	if err := yaml.Load([]byte(text), &root, yaml.WithUniqueKeys(false)); err != nil {
		d.unreadable(err)
		return d
	}
	if !d.bounded(&root) {
		return d
	}
	if len(root.Content) == 0 || blank(root.Content[0]) { // nothing but comments
		return d
	}
	known := []string{sectionAccounts, sectionSources, sectionEndpoints, sectionWords}
	known = append(known, sectionsOf...)
	for _, f := range fieldsOf("") {
		known = append(known, f.keys()...)
	}
	d.root = d.mapping("", root.Content[0], known)
	return d
}

func readConfigFile(name string) (string, error) {
	text, err := readFile(name, maxConfigFile, "that is no configuration")
	if err != nil {
		return "", err
	}
	text = strings.TrimPrefix(text, "\ufeff")
	if strings.TrimSpace(text) == "" { // half-saved, or a pipe that nobody writes to: a file without settings has a comment at least
		return "", fmt.Errorf("file %q is empty: vidbell config example prints one to begin with", name)
	}
	return text, nil
}

// yamlMark is where the library's own messages say they are about.
var yamlMark = regexp.MustCompile(`at (?:L\d+\.C\d+-)?L(\d+)\.C(\d+)`)

// unreadable reports what the library says. Its text may repeat what stands in the file, and there are secrets in it, so only
// the place and the kind of the mistake are told.
func (d *document) unreadable(err error) {
	text, at := err.Error(), ""
	if strings.Contains(text, "no documents") {
		return // nothing but comments
	}
	d.broken = true
	if match := yamlMark.FindStringSubmatch(text); match != nil {
		at = ":" + match[1] + ":" + match[2]
	}
	why := "is no YAML: look for a missing colon, quote or bracket, or a line that is indented otherwise than its neighbours"
	switch {
	case strings.Contains(text, "cannot start any token"):
		why = "is no YAML: a value that begins with a sign of YAML's own, such as @ or %, needs quotes, and lines are indented with spaces, not with tabs"
	case strings.Contains(text, "flow mapping"):
		why = "is no YAML: look for a missing comma, quote or brace; between braces, ${VARIABLE} needs quotes"
	case strings.Contains(text, "unknown anchor"):
		why = "is no YAML: an alias (*name) has no anchor (&name) before it"
	case strings.Contains(text, "incompatible"):
		why = "begins with a %YAML line of a version that is not read: leave the line out"
	case strings.Contains(text, "found multiple"):
		why = "holds a second document (---): put everything in one"
	}
	d.problems.Add(d.name+at, why)
}

// fail reports a mistake at a path.
func (d *document) fail(path, format string, args ...any) { d.problems.Addf(path, format, args...) }

// mark remembers where a path stands.
func (d *document) mark(path string, n *yaml.Node) {
	d.places[path] = d.place(n)
}

func (d *document) place(n *yaml.Node) string {
	return fmt.Sprintf("%s:%d:%d", d.name, n.Line, n.Column)
}

// failAt reports a mistake of a section that is at one of its keys, which has no path of its own.
func (d *document) failAt(n *yaml.Node, path, format string, args ...any) {
	at := d.place(n)
	if path != "" {
		at += ": " + path
	}
	d.fail(at, format, args...)
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func blank(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// follow is what an alias stands for; how far they lead has been bounded.
func follow(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// mapping reads the keys of a section. Unknown ones are reported and left out, and so is the second one of two.
func (d *document) mapping(path string, n *yaml.Node, known []string) map[string]*yaml.Node {
	n = follow(n)
	if blank(n) {
		return nil // a section of which everything is commented out
	}
	if n.Kind != yaml.MappingNode {
		where := path
		if where == "" {
			where = "the file"
			d.mark(where, n)
		}
		d.fail(where, "must have keys below it, such as %s", strings.Join(known[:min(3, len(known))], ", "))
		return nil
	}
	keys := map[string]*yaml.Node{}
	d.collect(path, n, known, keys)
	return keys
}

func (d *document) collect(path string, n *yaml.Node, known []string, keys map[string]*yaml.Node) {
	here := map[string]int{}
	var merged []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Tag == "!!merge" || key.Value == "<<" && key.Style == 0 {
			merged = append(merged, value)
			continue
		}
		if key.Kind != yaml.ScalarNode {
			d.failAt(key, path, "has a key that is no word")
			continue
		}
		if !slices.Contains(known, key.Value) {
			d.unknown(path, key, value, known)
			continue
		}
		at := join(path, key.Value)
		if first, twice := here[key.Value]; twice {
			d.failAt(key, at, "stands on line %d already: leave one out", first)
			continue
		}
		here[key.Value] = key.Line
		if _, taken := keys[key.Value]; taken {
			continue // merged in, and said here as well
		}
		d.mark(at, value)
		if blank(value) {
			d.mark(at, key)
		}
		keys[key.Value] = value
	}
	for _, value := range merged {
		d.merge(path, value, known, keys)
	}
}

// merge takes over the keys of <<: *name that are not said themselves.
func (d *document) merge(path string, value *yaml.Node, known []string, keys map[string]*yaml.Node) {
	value = follow(value)
	if value.Kind == yaml.SequenceNode {
		for _, one := range value.Content {
			d.merge(path, one, known, keys)
		}
		return
	}
	if value.Kind != yaml.MappingNode {
		d.failAt(value, path, "merges (<<) what has no keys")
		return
	}
	d.collect(path, value, known, keys)
}

// list reads the entries of a section that is a list.
func (d *document) list(path string, n *yaml.Node) []*yaml.Node {
	n = follow(n)
	switch {
	case blank(n):
		return nil
	case n.Kind != yaml.SequenceNode:
		d.fail(path, "must be a list: begin each entry with a dash")
		return nil
	}
	return n.Content
}

// variableReference is a whole value that a variable stands for.
var variableReference = regexp.MustCompile(`^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$`)

// scalar reads one value as text, a variable in its place followed. ok is false when there is none, which has been reported.
func (d *document) scalar(path string, n *yaml.Node) (text string, ok bool) {
	n = follow(n)
	switch {
	case blank(n):
		d.fail(path, "has no value: give it one, or leave it out")
		return "", false
	case n.Kind != yaml.ScalarNode:
		d.fail(path, "must be one value")
		return "", false
	case strings.TrimSpace(n.Value) == "":
		d.fail(path, "is empty: give it a value, or leave it out")
		return "", false
	}
	if rest, escaped := strings.CutPrefix(n.Value, "$${"); escaped {
		return "${" + rest, true
	}
	match := variableReference.FindStringSubmatch(n.Value)
	if match == nil {
		return n.Value, true
	}
	value := os.Getenv(match[1])
	if strings.TrimSpace(value) == "" {
		d.fail(path, "${%s}: this variable is not set", match[1])
		return "", false
	}
	return value, true
}

// setting reads the value of a field as the text that its variable would have.
func (d *document) setting(path string, f field, n *yaml.Node) (text string, ok bool) {
	n = follow(n)
	switch {
	case n.Kind == yaml.MappingNode && f.Name == "VIDBELL_WEBHOOK_HEADERS":
		return d.headers(path, n)
	case n.Kind == yaml.SequenceNode && strings.Contains(f.Type, "list") && f.Name != "VIDBELL_WEBHOOK_HEADERS":
		return d.joined(path, n)
	case n.Kind == yaml.SequenceNode:
		d.fail(path, "must be one value, not a list")
		return "", false
	case n.Kind == yaml.MappingNode:
		d.fail(path, "must be %s, not keys of its own", oneValue(f.Type))
		return "", false
	}
	if f.Secret && n.Kind == yaml.ScalarNode && !variableReference.MatchString(n.Value) {
		d.inline = true
	}
	text, ok = d.scalar(path, n)
	if ok && f.Type == "file" {
		text = d.beside(text)
	}
	return text, ok
}

func oneValue(kind string) string {
	if strings.Contains(kind, "list") {
		return "one value or a list"
	}
	return "one value"
}

// joined makes a list what it is in a variable.
func (d *document) joined(path string, n *yaml.Node) (string, bool) {
	entries, good := make([]string, 0, len(n.Content)), true
	for i, entry := range n.Content {
		at := path + "[" + strconv.Itoa(i) + "]"
		d.mark(at, entry)
		text, ok := d.scalar(at, entry)
		if ok && strings.Contains(text, ",") {
			d.fail(at, "holds a comma: make it two entries")
			ok = false
		}
		entries, good = append(entries, text), good && ok
	}
	if len(entries) == 0 {
		d.fail(path, "is an empty list: leave it out for the default")
		return "", false
	}
	return strings.Join(entries, ","), good
}

// headers makes a mapping what it is in a variable.
func (d *document) headers(path string, n *yaml.Node) (string, bool) {
	var lines []string
	good := true
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], follow(n.Content[i+1])
		if key.Kind != yaml.ScalarNode || !pathToken.MatchString(key.Value) || blank(value) {
			d.failAt(key, path, "header %d must be a name of letters, digits and -, a colon, a space and a value", i/2+1)
			good = false
			continue
		}
		at := join(path, key.Value)
		d.mark(at, value)
		if value.Kind == yaml.ScalarNode && !variableReference.MatchString(value.Value) {
			d.inline = true
		}
		text, ok := d.scalar(at, value)
		if ok && strings.ContainsAny(text, "\r\n\x00") {
			d.fail(at, "holds a line break")
			ok = false
		}
		lines, good = append(lines, key.Value+"="+strings.ReplaceAll(text, ",", `\,`)), good && ok
	}
	if len(n.Content) == 0 {
		d.fail(path, "is empty: leave it out")
		return "", false
	}
	return strings.Join(lines, "\n"), good
}

// beside finds a file that is named in the configuration file: a relative path begins at the folder of that.
func (d *document) beside(path string) string {
	path = strings.TrimSpace(path)
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(d.name), path)
	}
	d.files = append(d.files, path)
	return path
}

// secretFile reads what stands in a file that key_file names.
func (d *document) secretFile(path string, n *yaml.Node) (string, bool) {
	name, ok := d.scalar(path, n)
	if !ok {
		return "", false
	}
	text, err := readSecretFile(d.beside(name))
	if err != nil {
		d.problems.AddErr(path, err)
	}
	return text, err == nil
}

// keys are how the field may be called: secrets also as the file that holds them.
func (f field) keys() []string {
	if f.Secret {
		return []string{f.key, f.key + fileSuffix}
	}
	return []string{f.key}
}

// find reads a field out of the keys of a section. key is the one that was used, "" when there is none.
func (d *document) find(path string, f field, keys map[string]*yaml.Node) (text, key string, ok bool) {
	plain, file := keys[f.key], keys[f.key+fileSuffix]
	if !f.Secret {
		file = nil
	}
	switch {
	case plain != nil && file != nil:
		d.fail(join(path, f.key+fileSuffix), "%s stands there too: leave one out", f.key)
		return "", f.key, false
	case plain != nil:
		text, ok = d.setting(join(path, f.key), f, plain)
		return text, f.key, ok
	case file != nil:
		text, ok = d.secretFile(join(path, f.key+fileSuffix), file)
		return text, f.key + fileSuffix, ok
	}
	return "", "", false
}

// apply parses the fields of a section into a Config, and returns the keys that were there.
func (d *document) apply(path string, fields []field, keys map[string]*yaml.Node, c *Config) (own map[string]bool, shown []Setting) {
	own = map[string]bool{}
	for _, f := range fields {
		text, key, ok := d.find(path, f, keys)
		if key == "" {
			continue
		}
		own[key] = true
		at := join(path, key)
		if ok {
			d.addErr(at, f.parse(c, text))
		}
		shown = append(shown, Setting{Name: join(path, f.key), Value: f.show(text), Origin: OriginConfig, Place: d.places[at]})
	}
	return own, shown
}

// keyNames turns advice about variables into advice about keys.
var keyNames = strings.NewReplacer("set VIDBELL_STATUS_PARSE", "set words.parse", "set VIDBELL_WEBHOOK_GROUP_MAX", "set group_max")

func (d *document) addErr(path string, err error) {
	var parts Problems
	parts.AddErr(path, err)
	for _, p := range parts {
		d.problems.Add(p.Name, keyNames.Replace(p.Text))
	}
}

package contract

import (
	"bytes"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

const problemType = "application/problem+json"

// parameter is what a query may hold.
type parameter struct {
	name, in string
	required bool
	kind     string // type of its schema
	at       string
}

func (c *Contract) parameters(at string, list []any) []parameter {
	all := make([]parameter, 0, len(list))
	for i, v := range list {
		p := c.resolve(v)
		name, _ := p["name"].(string)
		in, _ := p["in"].(string)
		required, _ := p["required"].(bool)
		kind, _ := c.resolve(p["schema"])["type"].(string)
		all = append(all, parameter{
			name: name, in: in, required: required, kind: kind, at: place(v, at+"/parameters/"+strconv.Itoa(i)) + "/schema",
		})
	}
	return all
}

// exchange is a request and its answer.
type exchange struct {
	request  *http.Request
	sent     []byte
	response *http.Response
	body     []byte // nil for one that streams, and of HEAD
}

// check returns what the document does not say, or says otherwise.
func (c *Contract) check(e exchange) []string {
	problems := everywhere(e)
	op, known, found := c.find(e.request)
	switch {
	case !found && known && e.response.StatusCode < 400:
		return append(problems, "this method is not described")
	case !found:
		return problems
	}
	problems = append(problems, c.answered(op, e)...)
	if wrong := c.asked(op, e); wrong != "" && e.response.StatusCode < 400 {
		problems = append(problems, "taken, though the document refuses it: "+wrong)
	}
	return problems
}

// everywhere is what holds for any page.
func everywhere(e exchange) (problems []string) {
	for name := range e.response.Header {
		if strings.HasPrefix(name, "Access-Control-") {
			problems = append(problems, name+" lets scripts of other sites in")
		}
	}
	kind := mediaType(e.response.Header)
	notReady := e.request.URL.Path == "/readyz" && e.response.StatusCode == http.StatusServiceUnavailable
	if e.response.StatusCode >= 400 && kind != problemType && !notReady {
		problems = append(problems, "an error as "+kind)
	}
	return problems
}

// answered looks at an answer.
func (c *Contract) answered(op operation, e exchange) []string {
	status := strconv.Itoa(e.response.StatusCode)
	described, ok := op.responses[status]
	key := status
	if !ok {
		if e.response.StatusCode < 400 {
			return []string{"status " + status + " is not described"}
		}
		key, described = "default", op.responses["default"]
	}
	c.mu.Lock()
	c.seen[op.method+" "+op.path+" "+key] = true
	c.mu.Unlock()
	answer, at := c.resolve(described), place(described, op.at+"/responses/"+key)
	problems := c.headers(answer, e.response.Header)
	kind := mediaType(e.response.Header)
	content, ok := child(answer, "content")[kind]
	switch {
	case !ok:
		return append(problems, "media type "+kind+" of status "+status+" is not described")
	case e.body == nil:
		return problems
	}
	schema, err := c.schema(at + "/content/" + escape(kind) + "/schema")
	if err != nil {
		return append(problems, err.Error())
	}
	var value any = string(e.body)
	if strings.HasSuffix(kind, "json") {
		if value, err = jsonschema.UnmarshalJSON(bytes.NewReader(e.body)); err != nil {
			return append(problems, "the body is no JSON: "+err.Error())
		}
	} else if child(content.(object), "schema")["type"] != "string" {
		return append(problems, kind+" is not described as a text")
	}
	if err := schema.Validate(value); err != nil {
		problems = append(problems, fmt.Sprintf("the body of status %s: %v", status, err))
	}
	return problems
}

// headers looks for those that must be there, and at what they hold.
func (c *Contract) headers(answer object, given http.Header) (problems []string) {
	for name, v := range child(answer, "headers") {
		header := c.resolve(v)
		value := given.Get(name)
		if value == "" {
			if header["required"] == true {
				problems = append(problems, "no header "+name)
			}
			continue
		}
		if pattern, ok := child(header, "schema")["pattern"].(string); ok && !regexp.MustCompile(pattern).MatchString(value) {
			problems = append(problems, fmt.Sprintf("header %s is %q", name, value))
		}
	}
	return problems
}

// asked returns why the document refuses a request, empty when it does not.
func (c *Contract) asked(op operation, e exchange) string {
	values, err := url.ParseQuery(e.request.URL.RawQuery)
	if err != nil {
		return err.Error()
	}
	if strings.HasPrefix(op.path, "/v1/") {
		if wrong := c.askedBy(op, values); wrong != "" {
			return wrong
		}
	}
	sent := bytes.TrimSpace(e.sent)
	content := child(op.body, "content")
	if len(sent) == 0 {
		if op.body["required"] == true {
			return "no body"
		}
		return ""
	}
	kind := mediaType(e.request.Header)
	if _, ok := content[kind]; !ok && len(content) == 1 { // the hint page goes by what a body looks like
		return "a body as " + kind
	}
	if kind != "application/json" {
		return ""
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(sent))
	if err != nil {
		return err.Error()
	}
	at := op.at + "/requestBody"
	if v, ok := child(c.root, "paths", op.path, strings.ToLower(op.method))["requestBody"]; ok {
		at = place(v, at)
	}
	schema, err := c.schema(at + "/content/" + escape(kind) + "/schema")
	if err != nil {
		return err.Error()
	}
	if err := schema.Validate(value); err != nil {
		return err.Error()
	}
	return ""
}

// askedBy looks at the parameters of a query.
func (c *Contract) askedBy(op operation, values url.Values) string {
	described := make(map[string]parameter)
	for _, p := range op.parameters {
		if p.in == "query" {
			described[p.name] = p
		}
	}
	for name, given := range values {
		p, ok := described[name]
		switch {
		case !ok:
			return "unknown parameter " + name
		case len(given) > 1:
			return "parameter " + name + " twice"
		case given[0] == "":
			continue // as if it were left out
		}
		schema, err := c.schema(p.at)
		if err == nil {
			err = schema.Validate(typed(p.kind, given[0]))
		}
		if err != nil {
			return "parameter " + name + ": " + err.Error()
		}
	}
	for name, p := range described {
		if p.required && values.Get(name) == "" {
			return "no parameter " + name
		}
	}
	return ""
}

// typed is a parameter as a value of its type; what is none stays a text, which its schema refuses.
func typed(kind, text string) any {
	switch kind {
	case "integer":
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n
		}
	case "boolean":
		if text == "true" || text == "false" {
			return text == "true"
		}
	}
	return text
}

func mediaType(h http.Header) string {
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return h.Get("Content-Type")
	}
	return kind
}

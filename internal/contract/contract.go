package contract

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"vidbell/docs"
)

const resource = "openapi.json"

// Contract is the document. It is safe for concurrent use.
type Contract struct {
	root       object
	operations []operation

	mu       sync.Mutex
	compiler *jsonschema.Compiler
	schemas  map[string]*jsonschema.Schema
	seen     map[string]bool // "GET /v1/sources 200"
}

type object = map[string]any

// operation is a method of a page.
type operation struct {
	method, path string
	segments     []string
	parameters   []parameter
	at           string // where in the document it stands, as a JSON pointer
	body         object
	responses    object
}

// Load reads the document.
func Load() (*Contract, error) {
	_, text, err := docs.OpenAPI()
	if err != nil {
		return nil, err
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	root, ok := document.(object)
	if !ok {
		return nil, errors.New("openapi.yaml is no object")
	}
	c := &Contract{
		root: root, compiler: jsonschema.NewCompiler(), schemas: make(map[string]*jsonschema.Schema), seen: make(map[string]bool),
	}
	for name, schema := range child(root, "components", "schemas") {
		if !strings.Contains(name, ".") { // those of events have tests of their own
			strict(schema)
		}
	}
	strict(root["paths"])
	c.compiler.DefaultDraft(jsonschema.Draft2020)
	c.compiler.AssertFormat()
	if err := c.compiler.AddResource(resource, root); err != nil {
		return nil, err
	}
	if err := c.readPaths(); err != nil {
		return nil, err
	}
	return c, nil
}

// strict has objects hold nothing but what is described.
func strict(v any) {
	switch v := v.(type) {
	case object:
		_, described := v["properties"].(object)
		if _, said := v["additionalProperties"]; described && !said {
			v["additionalProperties"] = false
		}
		for _, inner := range v {
			strict(inner)
		}
	case []any:
		for _, inner := range v {
			strict(inner)
		}
	}
}

func (c *Contract) readPaths() error {
	for path, item := range child(c.root, "paths") {
		methods, ok := item.(object)
		if !ok {
			return fmt.Errorf("path %s is no object", path)
		}
		for method, described := range methods {
			what, ok := described.(object)
			if method == "parameters" || !ok {
				continue
			}
			at := "/paths/" + escape(path) + "/" + method
			op := operation{
				method: strings.ToUpper(method), path: path, segments: strings.Split(path, "/"), at: at,
				body: c.resolve(what["requestBody"]), responses: child(what, "responses"),
			}
			shared, _ := methods["parameters"].([]any)
			own, _ := what["parameters"].([]any)
			op.parameters = append(c.parameters("/paths/"+escape(path), shared), c.parameters(at, own)...)
			c.operations = append(c.operations, op)
		}
	}
	slices.SortFunc(c.operations, func(a, b operation) int { // /v1/events/stream before /v1/events/{id}
		return cmp.Or(strings.Count(a.path, "{")-strings.Count(b.path, "{"), strings.Compare(a.path, b.path))
	})
	return nil
}

// Routes are the pages as internal/web lists them, such as "GET /v1/sources".
func (c *Contract) Routes() []string {
	routes := make([]string, len(c.operations))
	for i, op := range c.operations {
		routes[i] = op.method + " " + op.path
	}
	slices.Sort(routes)
	return routes
}

// Unseen are the answers that are described by their status, such as "GET /v1/sources 200", and that no exchange had yet.
func (c *Contract) Unseen() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []string
	for _, op := range c.operations {
		for _, status := range slices.Sorted(maps.Keys(op.responses)) {
			if answer := op.method + " " + op.path + " " + status; status != "default" && !c.seen[answer] {
				list = append(list, answer)
			}
		}
	}
	slices.Sort(list)
	return list
}

// find returns the operation of a request; known says that the path has one, by whatever method.
func (c *Contract) find(r *http.Request) (op operation, known, found bool) {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	segments := strings.Split(r.URL.EscapedPath(), "/")
	for _, o := range c.operations {
		if !matches(o.segments, segments) {
			continue
		}
		known = true
		if o.method == method {
			return o, true, true
		}
	}
	return operation{}, known, false
}

func matches(template, path []string) bool {
	return slices.EqualFunc(template, path, func(t, p string) bool { return t == p || strings.HasPrefix(t, "{") && p != "" })
}

// schema compiles the one at a JSON pointer.
func (c *Contract) schema(at string) (*jsonschema.Schema, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.schemas[at]; s != nil {
		return s, nil
	}
	s, err := c.compiler.Compile(resource + "#" + at)
	if err != nil {
		return nil, fmt.Errorf("schema at %s: %w", at, err)
	}
	c.schemas[at] = s
	return s, nil
}

// resolve follows a reference.
func (c *Contract) resolve(v any) object {
	o, _ := v.(object)
	ref, ok := o["$ref"].(string)
	if !ok {
		return o
	}
	keys := strings.Split(strings.TrimPrefix(ref, "#/"), "/")
	return c.resolve(any(child(c.root, keys...)))
}

// place is where a value stands that may be a reference.
func place(v any, here string) string {
	o, _ := v.(object)
	if ref, ok := o["$ref"].(string); ok {
		return strings.TrimPrefix(ref, "#")
	}
	return here
}

// child is the object below some keys, nil where there is none.
func child(o object, keys ...string) object {
	for _, key := range keys {
		o, _ = o[key].(object)
	}
	return o
}

// escape writes a key for a JSON pointer in a URL.
func escape(key string) string {
	return strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(key)
}

// Package docs holds the documents of this folder that vidbell serves itself.
package docs

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"go.yaml.in/yaml/v4"
)

//go:embed openapi.yaml schemas/*.json
var files embed.FS

// OpenAPI is the description of the HTTP API as one document, the schemas of events in it, as YAML and as JSON. The callers
// must not change what it returns.
func OpenAPI() (asYAML, asJSON []byte, err error) {
	b := bundle()
	return b.yaml, b.json, b.err
}

type bundled struct {
	yaml, json []byte
	err        error
}

var bundle = sync.OnceValue(func() bundled {
	var b bundled
	root, err := read("openapi.yaml")
	if err == nil {
		err = includeSchemas(root)
	}
	if err != nil {
		return bundled{err: err}
	}
	b.yaml, b.err = yaml.Marshal(root)
	var plain any
	if err := root.Decode(&plain); err != nil {
		return bundled{err: err}
	}
	text, err := json.Marshal(plain)
	b.json, b.err = append(text, '\n'), errors.Join(b.err, err)
	return b
})

// read returns the value that a file holds. JSON is YAML.
func read(name string) (*yaml.Node, error) {
	text, err := files.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return document.Content[0], nil
}

// includeSchemas moves what the document refers to into it: who has it alone must have all of it.
func includeSchemas(root *yaml.Node) error {
	schemas := value(value(root, "components"), "schemas")
	if schemas == nil {
		return errors.New("openapi.yaml has no components.schemas")
	}
	included := make(map[string]bool)
	return eachReference(root, func(ref *yaml.Node) error {
		if !strings.HasPrefix(ref.Value, "./") {
			return nil
		}
		file := path.Clean(ref.Value)
		name := strings.TrimSuffix(path.Base(file), ".json")
		ref.Value = "#/components/schemas/" + name
		if included[name] {
			return nil
		}
		included[name] = true
		schema, err := read(file)
		if err != nil {
			return err
		}
		key := yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: name}
		schemas.Content = append(schemas.Content, &key, without(schema, "$schema", "$id"))
		return nil
	})
}

// value is that of a key.
func value(mapping *yaml.Node, key string) *yaml.Node {
	if mapping == nil {
		return nil
	}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1]
		}
	}
	return nil
}

// without leaves keys out.
func without(mapping *yaml.Node, keys ...string) *yaml.Node {
	rest := *mapping
	rest.Content, rest.Style = nil, 0
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if key := mapping.Content[i].Value; !slices.Contains(keys, key) {
			rest.Content = append(rest.Content, mapping.Content[i], mapping.Content[i+1])
		}
	}
	return &rest
}

// eachReference visits the value of every $ref that the document itself holds.
func eachReference(n *yaml.Node, visit func(*yaml.Node) error) error {
	if n.Kind == yaml.MappingNode {
		if ref := value(n, "$ref"); ref != nil {
			return visit(ref)
		}
	}
	for _, child := range n.Content[:len(n.Content):len(n.Content)] {
		if err := eachReference(child, visit); err != nil {
			return err
		}
	}
	return nil
}

package config

import "go.yaml.in/yaml/v4"

const (
	// maxNodes bounds what a file may be once its aliases are followed, in values: a thousand endpoints are a fifth of it.
	maxNodes = 100_000
	// maxExpanded bounds the same in bytes.
	maxExpanded = 8 * maxConfigFile
)

// bounded tells whether a document can be read to its end: whether its aliases lead anywhere, and not to more than a
// configuration can be. A few kilobytes of them may stand for more than memory holds, so this comes before anything follows one.
func (d *document) bounded(root *yaml.Node) bool {
	w := walk{nodes: maxNodes, bytes: maxExpanded, open: map[*yaml.Node]bool{}}
	w.through(root)
	switch {
	case w.circle != nil:
		d.problems.Add(d.place(w.circle), "an alias (*name) stands within its own anchor (&name), and would have no end")
	case w.over():
		d.problems.Addf(d.name, "is more than a configuration can be, with its aliases followed: at most %d values and %d MiB",
			maxNodes, maxExpanded>>20)
	default:
		return true
	}
	d.broken = true
	return false
}

// walk goes through a document as a reader would who copies what aliases stand for.
type walk struct {
	nodes, bytes int                 // that are left
	open         map[*yaml.Node]bool // anchors that it is within
	circle       *yaml.Node          // the alias that leads back
}

func (w *walk) over() bool { return w.nodes < 0 || w.bytes < 0 }

func (w *walk) through(n *yaml.Node) {
	w.nodes--
	w.bytes -= len(n.Value)
	if w.over() || w.circle != nil {
		return
	}
	if n.Kind == yaml.AliasNode {
		if w.open[n.Alias] {
			w.circle = n
			return
		}
		w.through(n.Alias)
		return
	}
	if n.Anchor != "" {
		w.open[n] = true
		defer delete(w.open, n)
	}
	for _, one := range n.Content {
		w.through(one)
	}
}

package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"
	"go.uber.org/zap"
)

const (
	maxFilterBytes = 4 << 10
	// maxFilterLoops keeps the time that an expression takes within its length squared, a fraction of a second at worst.
	maxFilterLoops = 2
)

// filterEvent is an event as an expression sees it: the names are those of the JSON. What is null there is empty here, so
// that an expression need not ask first.
type filterEvent struct {
	ID      string     `json:"id" expr:"id"`
	Type    string     `json:"type" expr:"type"`
	Source  string     `json:"source" expr:"source"`
	Subject string     `json:"subject" expr:"subject"`
	Time    string     `json:"time" expr:"time"`
	Data    filterData `json:"data" expr:"data"`
}

// filterData holds what the data of video, source and endpoint events say.
type filterData struct {
	Source            string  `json:"source" expr:"source"`
	VideoNo           string  `json:"video_no" expr:"video_no"`
	VideoName         string  `json:"video_name" expr:"video_name"`
	Status            string  `json:"status" expr:"status"`
	RawStatus         string  `json:"raw_status" expr:"raw_status"`
	PreviousStatus    string  `json:"previous_status" expr:"previous_status"`
	PreviousRawStatus string  `json:"previous_raw_status" expr:"previous_raw_status"`
	Cause             string  `json:"cause" expr:"cause"`
	DurationSeconds   int64   `json:"duration_seconds" expr:"duration_seconds"`
	SizeBytes         int64   `json:"size_bytes" expr:"size_bytes"`
	CreatedAt         string  `json:"created_at" expr:"created_at"`
	FirstSeenAt       string  `json:"first_seen_at" expr:"first_seen_at"`
	ProcessingSeconds float64 `json:"processing_seconds" expr:"processing_seconds"`
	Version           int64   `json:"version" expr:"version"`
	Initial           bool    `json:"initial" expr:"initial"`

	Endpoint string `json:"endpoint" expr:"endpoint"`
	Reason   string `json:"reason" expr:"reason"`
	Detail   string `json:"detail" expr:"detail"`
	Since    string `json:"since" expr:"since"`
}

// filter is a compiled expression over an event. The nil one lets everything pass.
type filter struct{ program *vm.Program }

// compileFilter checks an expression as far as it can be checked without an event: words, types, and that it is a question.
// The error has line and column, and shows the place.
func compileFilter(text string) (*filter, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil //nolint:nilnil // no expression is no filter
	}
	if len(text) > maxFilterBytes {
		return nil, fmt.Errorf("%d bytes are too many, use at most %d", len(text), maxFilterBytes)
	}
	tree, err := parser.Parse(text)
	if err != nil {
		return nil, placed(err)
	}
	if err := checkLoops(tree); err != nil {
		return nil, err
	}
	program, err := expr.Compile(text, expr.Env(filterEvent{}), expr.AsBool())
	if err != nil {
		return nil, placed(err)
	}
	return &filter{program}, nil
}

// placed writes an error of the compiler as position, message, and the line with the place marked.
func placed(err error) error {
	var at *file.Error
	if !errors.As(err, &at) {
		return err
	}
	message := strings.Replace(at.Message, "type webhook.filterData has", "data has", 1) // our type means nothing to the reader
	return fmt.Errorf("%d:%d: %s%s", at.Line, at.Column+1, message, at.Snippet)
}

// passes answers for one event. It is true beside an error: better an event too many than one that is missed.
func (f *filter) passes(body []byte) (bool, error) {
	if f == nil {
		return true, nil
	}
	var event filterEvent
	if err := json.Unmarshal(body, &event); err != nil {
		return true, fmt.Errorf("read the event: %w", err)
	}
	answer, err := expr.Run(f.program, event)
	if err != nil {
		return true, placed(err)
	}
	yes, ok := answer.(bool)
	return yes || !ok, nil
}

// loops counts what repeats a part of an expression.
type loops struct {
	predicates int
	ranges     int
}

// Visit implements ast.Visitor.
func (l *loops) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.PredicateNode:
		l.predicates++
	case *ast.BinaryNode:
		if n.Operator == ".." {
			l.ranges++
		}
	}
}

func checkLoops(tree *parser.Tree) error {
	var found loops
	ast.Walk(&tree.Node, &found)
	switch {
	case found.ranges > 0:
		return errors.New("a range (..) has no use here, an event holds no lists")
	case found.predicates > maxFilterLoops:
		return fmt.Errorf("%d conditions over lists are too many, use at most %d", found.predicates, maxFilterLoops)
	default:
		return nil
	}
}

// wants asks the endpoint's expression. One that fails has the event delivered, and is counted and logged.
func (l *lane) wants(d *delivery) bool {
	if l.live != nil {
		return true // it was asked when the replay was
	}
	yes, err := l.target.filter.passes(d.body)
	if err != nil {
		l.metrics.filterErrors.Inc()
		if n, ok := l.misfits.hit("", l.now()); ok {
			l.log.Warn("webhook filter failed, the event is delivered", zap.String("event_id", d.id), zap.Error(err), zap.Int("count", n))
		}
	}
	if !yes {
		l.metrics.filtered.Inc()
	}
	return yes
}

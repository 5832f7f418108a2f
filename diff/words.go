package diff

import (
	"errors"
	"fmt"
	"strings"
)

// Word is the class of a raw status.
type Word uint8

// The classes. WordUnparse is processing too, but UNPARSE tells more than the other words: what follows it as PARSE is done.
const (
	WordUnknown Word = iota
	WordProcessing
	WordUnparse
	WordDone
	WordFailed
	WordParse
)

// The words that carry evidence about the vocabulary in use, and no word.
const (
	rawParse   = "PARSE"
	rawUnparse = "UNPARSE"
	rawDone    = "DONE"
	rawFail    = "FAIL"
	rawNull    = "NULL"
)

// ParseRule is how PARSE is understood.
type ParseRule uint8

// Auto infers the meaning of PARSE from evidence; the others end the guessing.
const (
	ParseAuto ParseRule = iota
	ParseDone
	ParseProcessing
)

// Words maps raw statuses to classes. The zero value knows no word; use [DefaultWords] or [NewWords].
type Words struct {
	classes map[string]Word
	rule    ParseRule
}

// The built-in vocabularies, sources: the vendor's list, upload, callback and code pages.
var (
	builtinDone       = []string{rawDone}
	builtinFailed     = []string{"FAILED", rawFail, "PARSE_ERROR", "ERROR"}
	builtinProcessing = []string{rawUnparse, "PENDING", "PROCESSING", "UPLOADING"}
)

// DefaultWords returns the built-in vocabulary with PARSE inferred.
func DefaultWords() Words {
	w, _ := NewWords(nil, nil, nil, ParseAuto) // the built-in lists do not overlap
	return w
}

// NewWords builds a vocabulary. An empty list means the built-in one. Case and surrounding space of a word do not matter.
// It is an error for a word to stand in two lists, for PARSE to stand in any (the rule decides about PARSE), and for no word at
// all (empty, null) to mean done or failed.
func NewWords(done, failed, processing []string, rule ParseRule) (Words, error) {
	w := Words{classes: make(map[string]Word), rule: rule}
	lists := []struct {
		class          Word
		given, builtin []string
	}{
		{WordDone, done, builtinDone}, {WordFailed, failed, builtinFailed}, {WordProcessing, processing, builtinProcessing},
	}
	var errs []error
	for _, l := range lists {
		for _, raw := range l.given {
			errs = append(errs, w.add(raw, l.class))
		}
	}
	for _, l := range lists {
		if len(l.given) > 0 {
			continue
		}
		for _, raw := range l.builtin {
			// A word that the operator put elsewhere leaves its built-in list.
			if _, taken := w.classes[raw]; !taken {
				w.classes[raw] = l.class
			}
		}
	}
	w.classes[""], w.classes[rawNull] = WordProcessing, WordProcessing // whatever the lists
	if w.classes[rawUnparse] == WordProcessing {
		w.classes[rawUnparse] = WordUnparse
	}
	w.classes[rawParse] = WordParse
	return w, errors.Join(errs...)
}

func (w Words) add(raw string, class Word) error {
	raw = normal(raw)
	if raw == rawParse {
		return fmt.Errorf("%s cannot stand in a list of words: say what it means by the rule for PARSE", rawParse)
	}
	if (raw == "" || raw == rawNull) && class != WordProcessing {
		return fmt.Errorf("%q cannot mean done or failed: no word at all is no verdict", raw)
	}
	if old, taken := w.classes[raw]; taken && old != class {
		return fmt.Errorf("%q stands in two lists of words", raw)
	}
	w.classes[raw] = class
	return nil
}

// Class returns the class of a raw status.
func (w Words) Class(raw string) Word {
	if c, ok := w.classes[raw]; ok {
		return c
	}
	return w.classes[normal(raw)] // the zero Word is WordUnknown
}

// normal does not allocate for a word that is already plain.
func normal(raw string) string { return strings.ToUpper(strings.TrimSpace(raw)) }

// parse returns what PARSE means with some evidence, and [Unknown] while it is held.
func (w Words) parse(e *Evidence) Status {
	switch {
	case w.rule == ParseDone:
		return Done
	case w.rule == ParseProcessing || e.SawDone.ok():
		return Processing
	case e.SawUnparse.ok() || e.SawFail.ok() || e.SawOldParse.ok():
		return Done
	default:
		return Unknown
	}
}

// Parse returns what PARSE means at a source with this evidence (Processing, Done, or Unknown while it is held as
// processing for lack of evidence), and why, in words for logs and the check command.
func (w Words) Parse(e Evidence) (Status, string) {
	return w.parse(&e), w.why(&e)
}

func (w Words) why(e *Evidence) string {
	switch {
	case w.rule != ParseAuto:
		return "configured"
	case e.SawDone.ok():
		return "a DONE was seen (" + e.SawDone.VideoNo + ")"
	case e.SawUnparse.ok():
		return "an UNPARSE was seen (" + e.SawUnparse.VideoNo + ")"
	case e.SawFail.ok():
		return "a FAIL was seen (" + e.SawFail.VideoNo + ")"
	case e.SawOldParse.ok():
		return "a video older than a day is in PARSE (" + e.SawOldParse.VideoNo + ")"
	default:
		return "no evidence yet, held as processing"
	}
}

// meanings is what each class means at a source.
type meanings [WordParse + 1]Status

func (w Words) meanings(e *Evidence) meanings {
	m := meanings{
		WordUnknown: Unknown, WordProcessing: Processing, WordUnparse: Processing, WordDone: Done, WordFailed: Failed,
		WordParse: Processing, // while it is held, too
	}
	if w.parse(e) == Done {
		m[WordParse] = Done
	}
	return m
}

// statusOf is the announced status, or for a video never announced what its word means. One that moved in flight since it was
// learnt stays in flight when its word comes to mean done or failed: that is still to be told.
func (m *meanings) statusOf(r *Record) Status {
	if r.Version > 0 || r.Status != None {
		return r.Status
	}
	return m[r.class]
}

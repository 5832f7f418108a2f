package diff

import (
	"errors"
	"fmt"
	"strings"
	"time"
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

// The words that carry evidence about the vocabulary in use.
const (
	rawParse   = "PARSE"
	rawUnparse = "UNPARSE"
	rawDone    = "DONE"
	rawFail    = "FAIL"
)

// oldParse is the age from which a video still in PARSE is taken as proof that PARSE means done: parsing takes minutes.
const oldParse = 24 * time.Hour

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
	builtinProcessing = []string{rawUnparse, "PENDING", "PROCESSING", "UPLOADING", "", "NULL"}
)

// DefaultWords returns the built-in vocabulary with PARSE inferred.
func DefaultWords() Words {
	w, _ := NewWords(nil, nil, nil, ParseAuto) // the built-in lists do not overlap
	return w
}

// NewWords builds a vocabulary. An empty list means the built-in one. Case and surrounding space of a word do not matter.
// It is an error for a word to stand in two lists, or for PARSE to stand in any: the rule decides about PARSE.
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
	for _, none := range []string{"", "NULL"} { // no word at all is never a verdict
		if _, taken := w.classes[none]; !taken {
			w.classes[none] = WordProcessing
		}
	}
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

// status interprets a class under the evidence at hand.
func (w Words) status(class Word, e Evidence) Status {
	switch class {
	case WordDone:
		return Done
	case WordFailed:
		return Failed
	case WordProcessing, WordUnparse:
		return Processing
	case WordParse:
		if meaning, _ := w.Parse(e); meaning == Done {
			return Done
		}
		return Processing
	case WordUnknown:
		return Unknown
	}
	return Unknown
}

// Parse returns what PARSE means at a source with this evidence (Processing, Done, or Unknown while it is held as
// processing for lack of evidence), and why, in words for logs and the check command.
func (w Words) Parse(e Evidence) (Status, string) {
	switch {
	case w.rule == ParseDone:
		return Done, "configured"
	case w.rule == ParseProcessing:
		return Processing, "configured"
	case e.SawDone.ok():
		return Processing, "a DONE was seen (" + e.SawDone.VideoNo + ")"
	case e.SawUnparse.ok():
		return Done, "an UNPARSE was seen (" + e.SawUnparse.VideoNo + ")"
	case e.SawFail.ok():
		return Done, "a FAIL was seen (" + e.SawFail.VideoNo + ")"
	case e.SawOldParse.ok():
		return Done, "a video older than a day is in PARSE (" + e.SawOldParse.VideoNo + ")"
	default:
		return Unknown, "no evidence yet, held as processing"
	}
}

// Witness is the first observation that gave a piece of evidence.
type Witness struct {
	VideoNo string `json:"video_no,omitempty"`
	At      Time   `json:"at,omitempty"`
}

func (w Witness) ok() bool { return w.At != 0 }

// Evidence is what a source has shown about the vocabulary it speaks. It only grows.
type Evidence struct {
	SawDone     Witness `json:"saw_done,omitzero"`
	SawUnparse  Witness `json:"saw_unparse,omitzero"`
	SawFail     Witness `json:"saw_fail,omitzero"`
	SawOldParse Witness `json:"saw_old_parse,omitzero"`
	// Flipped is when a DONE ended the belief that PARSE means done. Baseline videos known before that start no stall clock.
	Flipped Time `json:"flipped,omitempty"`
}

func (e *Evidence) see(raw string, videoNo string, at Time) {
	switch normal(raw) {
	case rawDone:
		e.SawDone.first(videoNo, at)
	case rawUnparse:
		e.SawUnparse.first(videoNo, at)
	case rawFail:
		e.SawFail.first(videoNo, at)
	}
}

// first keeps the earliest witness, and among equals the smallest id, so that the order of the input does not matter.
func (w *Witness) first(videoNo string, at Time) {
	if !w.ok() || at < w.At || at == w.At && videoNo < w.VideoNo {
		*w = Witness{VideoNo: videoNo, At: at}
	}
}

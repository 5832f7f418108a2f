package simulator

// Words are the raw statuses a video goes through.
type Words struct {
	Processing string
	Done       string
	Failed     string
}

// WordsPlain is the vocabulary of the first v1.2 page: PARSE is work in progress.
func WordsPlain() Words { return Words{"PARSE", "DONE", "FAILED"} }

// WordsLegacy is the vocabulary of the callback documents and of many clients.
func WordsLegacy() Words { return Words{"UNPARSE", "PARSE", "FAIL"} }

// WordsCode is the vocabulary of the platform's Code page.
func WordsCode() Words { return Words{"UNPARSE", "PARSE", "PARSE_ERROR"} }

// WordsListed is the vocabulary of the corrected list page and of the OpenAPI document: the default.
func WordsListed() Words { return Words{"UNPARSE", "PARSE", "FAILED"} }

// WordsNamed finds a vocabulary by name: plain, legacy, code or listed.
func WordsNamed(name string) (Words, bool) {
	words, ok := map[string]Words{
		"plain": WordsPlain(), "legacy": WordsLegacy(), "code": WordsCode(), "listed": WordsListed(),
	}[name]
	return words, ok
}

// EveryWords lists all vocabularies, for suites that must hold on each.
func EveryWords() []Words {
	return []Words{WordsPlain(), WordsLegacy(), WordsCode(), WordsListed()}
}

// String joins the three words with strokes: PARSE/DONE/FAILED.
func (w Words) String() string { return w.Processing + "/" + w.Done + "/" + w.Failed }

func (w Words) has(word string) bool {
	return word == w.Processing || word == w.Done || word == w.Failed
}

func (w Words) validate() error {
	if w.Processing == "" || w.Done == "" || w.Failed == "" {
		return fieldError{"Words", "give all three of Processing, Done and Failed"}
	}
	if w.Processing == w.Done || w.Processing == w.Failed || w.Done == w.Failed {
		return fieldError{"Words", "Processing, Done and Failed must differ"}
	}
	return nil
}

// Values for Video.Raw, Video.Cause and their like in Step and Set, where the plain string would mean "the usual".
const (
	Null   = "\x00null"   // the JSON null
	Absent = "\x00absent" // no key at all
	Empty  = "\x00empty"  // the empty string
)

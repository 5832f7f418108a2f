package simulator

import (
	"encoding/json"
	"strconv"
	"time"
)

// code and message of an answer.
type verdict struct {
	code, msg string
	integer   bool
}

const codeSuccess = "0000"

// messageOf is what the platform says with a code.
func messageOf(code string) string {
	messages := map[string]string{
		codeSuccess: "success",
		"0001":      "network abnormal",
		"0003":      "parameter error",
		"0401":      "invalid or missing credential",
		"0402":      "Your credits have run out, please recharge",
		"0403":      "developer account disabled",
		"0409":      "non-repeatable operation",
		"0429":      "Request has exceeded the limit.",
		"9009":      "permission denied",
		"16":        "stream capacity reached",
	}
	if msg, ok := messages[code]; ok {
		return msg
	}
	return "error " + code
}

// renderer writes answers in the form, casing and cause of its options. Choices of the mixed modes follow from the seed
// and the id, so that an item looks the same every time.
type renderer struct {
	form   Form
	cause  CauseForm
	casing Casing
	done   string
	seed   uint64
}

// pageView is what a list answer shows.
type pageView struct {
	videos         []Video
	page, pageSize int
	total          int
	firstWithoutID bool
	contradict     bool // data and code of a success, failed true
}

func (r renderer) page(b []byte, v verdict, p pageView) []byte {
	b = appendCode(append(b, '{'), v)
	b = append(appendText(b, "msg", v.msg), `,"data":{"videos":[`...)
	for i, video := range p.videos {
		if i > 0 {
			b = append(b, ',')
		}
		b = r.item(b, video, i == 0 && p.firstWithoutID)
	}
	b = append(b, ']')
	b = r.plainNumber(b, "current_page", int64(p.page))
	b = r.plainNumber(b, "page_size", int64(p.pageSize))
	b = r.number(b, "total_count", strconv.Itoa(p.page), int64(p.total))
	return appendFlags(append(b, '}'), !p.contradict)
}

// appendError writes an envelope without data: the full one, or only code and msg as in the documented example of a
// throttle.
func appendError(b []byte, v verdict, minimal bool) []byte {
	b = appendText(appendCode(append(b, '{'), v), "msg", v.msg)
	if minimal {
		return append(b, '}')
	}
	return appendFlags(append(b, `,"data":null`...), v.code == codeSuccess)
}

func appendFlags(b []byte, success bool) []byte {
	b = strconv.AppendBool(append(b, `,"success":`...), success)
	b = strconv.AppendBool(append(b, `,"failed":`...), !success)
	return append(b, '}')
}

func appendCode(b []byte, v verdict) []byte {
	if n, err := strconv.Atoi(v.code); v.integer && err == nil {
		return strconv.AppendInt(appendKey(b, "code"), int64(n), 10)
	}
	return appendText(b, "code", v.code)
}

// item writes one video in the key order of the documented sample.
func (r renderer) item(b []byte, v Video, withoutID bool) []byte {
	keys := r.keys(v.No)
	b = append(b, '{')
	b = r.number(b, "duration", v.No, v.DurationS)
	b = r.number(b, "size", v.No, v.Size)
	b = appendText(b, keys.status, v.Raw)
	b = r.appendCause(b, v)
	if !withoutID {
		b = appendText(b, keys.no, v.No)
	}
	b = appendText(b, keys.name, v.Name)
	b = r.number(b, keys.created, v.No, v.CreatedAt.UnixMilli())
	if v.Raw == r.done && r.hasExtras(v.No) {
		b = r.extras(b, v)
	}
	return append(b, '}')
}

type itemKeys struct{ no, name, status, created string }

func (r renderer) keys(no string) itemKeys {
	if r.casing == CasingCamel || r.casing == CasingMixed && r.choice(no, "casing", 2) == 0 {
		return itemKeys{"videoNo", "videoName", "videoStatus", "createTime"}
	}
	return itemKeys{"video_no", "video_name", "status", "create_time"}
}

func (r renderer) hasExtras(no string) bool {
	return r.form == Form2026 || r.form == FormMixed && r.choice(no, "extras", 2) == 0
}

// extras are the keys that 2026 adds once a video is parsed; what a camera knows, only for some.
func (r renderer) extras(b []byte, v Video) []byte {
	b = appendText(b, "video_url", "https://storage.example.com/videos/"+v.No+"/original.mp4")
	b = append(b, `,"tags":["api"]`...)
	if r.choice(v.No, "camera", 3) == 0 {
		b = appendText(b, "datetime_taken", v.CreatedAt.Add(-time.Hour).UTC().Format(time.DateTime))
		b = appendText(b, "camera_model", "iPhone 15 Pro")
		b = append(b, `,"latitude":48.137154,"longitude":11.576124`...)
	}
	b = appendText(b, "bucket", "videos")
	return appendText(b, "blob", v.No+"/original.mp4")
}

func (r renderer) appendCause(b []byte, v Video) []byte {
	if v.Cause != "" {
		return appendText(b, "cause", v.Cause)
	}
	form := r.cause
	if form == CauseMixed {
		form = []CauseForm{CauseNullText, CauseNull, CauseEmpty, CauseAbsent}[r.choice(v.No, "cause", 4)]
	}
	switch form {
	case CauseNull:
		return appendText(b, "cause", Null)
	case CauseEmpty:
		return appendText(b, "cause", Empty)
	case CauseAbsent:
		return b
	default:
		return appendText(b, "cause", "null")
	}
}

// number writes a 64-bit integer: a string in v1.2, a number in 2026, either or null where mixed.
func (r renderer) number(b []byte, name, id string, n int64) []byte {
	kind := map[Form]uint64{FormV12: 0, Form2026: 1}[r.form]
	if r.form == FormMixed {
		kind = r.choice(id, name, 3)
		if kind == 2 && name == "total_count" {
			kind = 1
		}
	}
	switch b = appendKey(b, name); kind {
	case 0:
		return append(strconv.AppendInt(append(b, '"'), n, 10), '"')
	case 1:
		return strconv.AppendInt(b, n, 10)
	default:
		return append(b, "null"...)
	}
}

// plainNumber writes a 32-bit integer: a number, except that mixed pages make some of them strings.
func (r renderer) plainNumber(b []byte, name string, n int64) []byte {
	if r.form == FormMixed && r.choice(strconv.FormatInt(n, 10), name, 2) == 0 {
		return appendText(b, name, strconv.FormatInt(n, 10))
	}
	return strconv.AppendInt(appendKey(b, name), n, 10)
}

// choice is one of n, the same every time for an id and a field.
func (r renderer) choice(id, field string, n uint64) uint64 {
	return mix(mix(r.seed, field), id) % n
}

// appendKey writes a key, after a comma unless it is the first of its object.
func appendKey(b []byte, name string) []byte {
	if len(b) > 0 && b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	return append(append(append(b, '"'), name...), `":`...)
}

func appendText(b []byte, name, value string) []byte {
	switch value {
	case Absent:
		return b
	case Null:
		return append(appendKey(b, name), "null"...)
	case Empty:
		value = ""
	}
	return appendString(appendKey(b, name), value)
}

func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(s) // a string cannot fail
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

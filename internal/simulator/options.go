package simulator

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// What the documents say, and what a zero Options leaves in place.
const (
	DefaultNamespace   = "default" // answered for when unique_id is absent
	DefaultQuota       = 5.0       // list requests a second, per account, on paper
	DefaultPageSize    = 20        // v1.2: "size, default: 20"
	defaultPageSize26  = 200       // OpenAPI of 2026
	defaultMaxPageSize = 200       // the vendor's own plugin
	defaultRequestLog  = 10_000    // requests remembered by Requests
	maxNamespaces      = 10_000    // a list call creates its namespace: bound it
)

// Form is the era of the answers: how numbers, cause and optional keys are written.
type Form string

// The forms. The zero value is FormV12.
const (
	FormV12   Form = "v1.2"  // 64-bit integers as strings, cause always there, video_nos ignored
	Form2026  Form = "2026"  // integers, cause only when set, extra keys once parsed, video_nos honoured
	FormMixed Form = "mixed" // string, number or null, from item to item; video_nos ignored
)

// CauseForm says how an item without a cause says so.
type CauseForm string

// The four ways to have no cause. The zero value follows the Form; CauseMixed varies per item.
const (
	CauseNullText CauseForm = "null-text" // "cause":"null", as in the v1.2 sample
	CauseNull     CauseForm = "null"      // "cause":null
	CauseEmpty    CauseForm = "empty"     // "cause":""
	CauseAbsent   CauseForm = "absent"    // no key, as in 2026
	CauseMixed    CauseForm = "mixed"
)

// Casing is the spelling of the keys of a listed item.
type Casing string

// The casings. The zero value is CasingSnake; CasingMixed varies per item.
const (
	CasingSnake Casing = "snake" // video_no, video_name, status, create_time
	CasingCamel Casing = "camel" // videoNo, videoName, videoStatus, createTime
	CasingMixed Casing = "mixed"
)

// ThrottleForm is how a request beyond the quota is refused.
type ThrottleForm string

// The forms of a throttle. The zero value is ThrottleCode.
const (
	ThrottleCode    ThrottleForm = "code"    // HTTP 200, {"code":"0429","msg":...} and nothing else
	ThrottleHTTP    ThrottleForm = "http"    // HTTP 429 with a Spring body
	ThrottleInteger ThrottleForm = "integer" // HTTP 200, {"code":429,...}
	ThrottleText    ThrottleForm = "text"    // HTTP 200, code 0001, only the text says that the limit is exceeded
)

// SizePolicy is what happens to a size above MaxPageSize.
type SizePolicy string

// The policies. The zero value is SizeClamp.
const (
	SizeClamp       SizePolicy = "clamp"        // cut to the maximum; page_size says so
	SizeClampHidden SizePolicy = "clamp-hidden" // cut to the maximum; page_size echoes the request
	SizeRefuse      SizePolicy = "refuse"       // 0001
)

// StatusPolicy is what happens to a status filter whose word the server does not know.
type StatusPolicy string

// The policies. The zero value is StatusEmpty.
const (
	StatusEmpty  StatusPolicy = "empty"  // matches nothing
	StatusRefuse StatusPolicy = "refuse" // 0001, unless it is one of Options.Words
)

// Options describe one platform. Only Keys is required.
type Options struct {
	Keys     []string          // accepted in Authorization, raw
	Accounts map[string]string // key to account; a key that is not here is an account of its own

	Form   Form
	Cause  CauseForm
	Casing Casing
	Words  Words // zero: WordsListed

	IntegerCode    bool // code as a number in every answer, success being 0
	HTTPAuthErrors bool // a bad key is HTTP 401, not 0401 in a 200
	AcceptBearer   bool // tolerate "Bearer " before the key

	QuotaPerSecond float64 // tokens a second per account; 0: unlimited
	QuotaBurst     int     // bucket size; 0: QuotaPerSecond rounded up
	Throttle       ThrottleForm
	RetryAfter     time.Duration // sent with a throttle, in seconds rounded up; 0: no header

	MaxPageSize    int // 0: 200
	SizePolicy     SizePolicy
	MaxVideoNos    int // ids in one video_nos; more is 0001; 0: no limit
	StatusFilter   StatusPolicy
	IgnoredFilters []string // of video_no, video_nos, video_name, status: read and not applied
	Shuffled       bool     // a fixed order that is not newest first

	Callbacks Callbacks

	Now        func() time.Time // nil: time.Now
	Seed       uint64           // of everything random
	RequestLog int              // requests that Requests remembers; 0: 10,000
}

func (o Options) withDefaults() Options {
	if o.Words == (Words{}) {
		o.Words = WordsListed()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Form = orElse(o.Form, FormV12)
	o.Cause = orElse(o.Cause, o.Form.cause())
	o.Casing = orElse(o.Casing, CasingSnake)
	o.Throttle = orElse(o.Throttle, ThrottleCode)
	o.SizePolicy = orElse(o.SizePolicy, SizeClamp)
	o.StatusFilter = orElse(o.StatusFilter, StatusEmpty)
	o.MaxPageSize = orElse(o.MaxPageSize, defaultMaxPageSize)
	o.RequestLog = orElse(o.RequestLog, defaultRequestLog)
	return o
}

func orElse[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

func (f Form) cause() CauseForm {
	switch f {
	case Form2026:
		return CauseAbsent
	case FormMixed:
		return CauseMixed
	default:
		return CauseNullText
	}
}

func (f Form) pageSize() int {
	if f == Form2026 {
		return defaultPageSize26
	}
	return DefaultPageSize
}

// validate reports every mistake, each with the name of its field. It expects withDefaults.
func (o Options) validate() error {
	return errors.Join(
		o.validateKeys(),
		o.Words.validate(),
		oneOf("Form", o.Form, FormV12, Form2026, FormMixed),
		oneOf("Cause", o.Cause, CauseNullText, CauseNull, CauseEmpty, CauseAbsent, CauseMixed),
		oneOf("Casing", o.Casing, CasingSnake, CasingCamel, CasingMixed),
		oneOf("Throttle", o.Throttle, ThrottleCode, ThrottleHTTP, ThrottleInteger, ThrottleText),
		oneOf("SizePolicy", o.SizePolicy, SizeClamp, SizeClampHidden, SizeRefuse),
		oneOf("StatusFilter", o.StatusFilter, StatusEmpty, StatusRefuse),
		notNegative("QuotaPerSecond", o.QuotaPerSecond),
		notNegative("QuotaBurst", float64(o.QuotaBurst)),
		notNegative("RetryAfter", o.RetryAfter.Seconds()),
		notNegative("MaxPageSize", float64(o.MaxPageSize)),
		notNegative("MaxVideoNos", float64(o.MaxVideoNos)),
		notNegative("RequestLog", float64(o.RequestLog)),
		o.validateFilters(),
		o.Callbacks.validate(),
	)
}

func (o Options) validateKeys() error {
	if len(o.Keys) == 0 {
		return fieldError{"Keys", "name at least one API key"}
	}
	if slices.Contains(o.Keys, "") {
		return fieldError{"Keys", "a key is empty"}
	}
	for key := range o.Accounts {
		if !slices.Contains(o.Keys, key) {
			return fieldError{"Accounts", fmt.Sprintf("%q is not one of Keys", key)}
		}
	}
	return nil
}

func (o Options) validateFilters() error {
	for _, name := range o.IgnoredFilters {
		if err := oneOf("IgnoredFilters", name, "video_no", "video_nos", "video_name", "status"); err != nil {
			return err
		}
	}
	return nil
}

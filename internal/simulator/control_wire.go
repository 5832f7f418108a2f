package simulator

import (
	"fmt"
	"time"
)

// videoJSON is a video of the control API.
type videoJSON struct {
	Namespace string     `json:"namespace"`
	No        string     `json:"video_no"`
	Name      string     `json:"video_name"`
	Status    string     `json:"status"`
	Cause     string     `json:"cause,omitempty"`
	CreatedAt string     `json:"created_at"`
	Duration  int64      `json:"duration"`
	Size      int64      `json:"size"`
	Callback  string     `json:"callback,omitempty"`
	Life      []stepJSON `json:"life,omitempty"`
}

type stepJSON struct {
	After  string `json:"after"`
	Status string `json:"status,omitempty"`
	Cause  string `json:"cause,omitempty"`
	Delete bool   `json:"delete,omitempty"`
}

type changeJSON struct {
	Status *string    `json:"status"`
	Cause  *string    `json:"cause"`
	Life   []stepJSON `json:"life"`
}

// faultJSON is a fault of the control API: Fault with durations as text.
type faultJSON struct {
	Kind       FaultKind `json:"kind"`
	Times      int       `json:"times,omitempty"`
	Skip       int       `json:"skip,omitempty"`
	Chance     float64   `json:"chance,omitempty"`
	Page       int       `json:"page,omitempty"`
	Namespace  string    `json:"namespace,omitempty"`
	Account    string    `json:"account,omitempty"`
	Lane       Lane      `json:"lane,omitempty"`
	Code       string    `json:"code,omitempty"`
	Msg        string    `json:"msg,omitempty"`
	Minimal    bool      `json:"minimal,omitempty"`
	Integer    bool      `json:"integer,omitempty"`
	HTTPStatus int       `json:"http_status,omitempty"`
	RetryAfter string    `json:"retry_after,omitempty"`
	Delay      string    `json:"delay,omitempty"`
	Pause      string    `json:"pause,omitempty"`
	Size       int64     `json:"size,omitempty"`
	Age        string    `json:"age,omitempty"`
	AsOf       string    `json:"as_of,omitempty"`
	ServePage  int       `json:"serve_page,omitempty"`
	Hidden     []string  `json:"hidden,omitempty"`
	Keep       int       `json:"keep,omitempty"`
	Delta      int       `json:"delta,omitempty"`
}

// reader collects the first mistake while texts become values.
type reader struct{ err error }

func (r *reader) duration(field, text string) time.Duration {
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if (err != nil || d < 0) && r.err == nil {
		r.err = fieldError{field, fmt.Sprintf("%q is not a duration such as 10s", text)}
	}
	return d
}

func (r *reader) instant(field, text string) time.Time {
	if text == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil && r.err == nil {
		r.err = fieldError{field, fmt.Sprintf("%q is not an instant such as 2025-08-01T08:33:37Z", text)}
	}
	return t
}

func (in videoJSON) video() (Video, error) {
	var r reader
	v := Video{
		No: in.No, Name: in.Name, Raw: in.Status, Cause: in.Cause, Callback: in.Callback,
		DurationS: in.Duration, Size: in.Size, CreatedAt: r.instant("created_at", in.CreatedAt),
	}
	if in.Callback != "" {
		if err := validateLoopback(in.Callback); err != nil {
			return v, fmt.Errorf("callback: %w", err)
		}
	}
	if r.err != nil {
		return v, r.err
	}
	var err error
	v.Life, err = steps(in.Life)
	return v, err
}

func steps(in []stepJSON) ([]Step, error) {
	var r reader
	var life []Step
	for i, step := range in {
		after := r.duration(fmt.Sprintf("life[%d].after", i), step.After)
		life = append(life, Step{After: after, Raw: step.Status, Cause: step.Cause, Delete: step.Delete})
	}
	return life, r.err
}

func asJSON(ns string, v Video) videoJSON {
	out := videoJSON{
		Namespace: ns, No: v.No, Name: v.Name, Status: v.Raw, Cause: v.Cause, Callback: v.Callback,
		Duration: v.DurationS, Size: v.Size, CreatedAt: v.CreatedAt.UTC().Format(time.RFC3339Nano),
	}
	for _, step := range v.Life {
		out.Life = append(out.Life, stepJSON{step.After.String(), step.Raw, step.Cause, step.Delete})
	}
	return out
}

func (in faultJSON) fault() (Fault, error) {
	var r reader
	f := Fault{
		Kind: in.Kind, Times: in.Times, Skip: in.Skip, Chance: in.Chance,
		Page: in.Page, Namespace: in.Namespace, Account: in.Account, Lane: in.Lane,
		Code: in.Code, Msg: in.Msg, Minimal: in.Minimal, Integer: in.Integer, HTTPStatus: in.HTTPStatus,
		RetryAfter: r.duration("retry_after", in.RetryAfter),
		Delay:      r.duration("delay", in.Delay),
		Pause:      r.duration("pause", in.Pause),
		Size:       in.Size,
		Age:        r.duration("age", in.Age),
		AsOf:       r.instant("as_of", in.AsOf),
		ServePage:  in.ServePage, Keep: in.Keep, Delta: in.Delta, Hidden: in.Hidden,
	}
	return f, r.err
}

func (f Fault) asJSON() faultJSON {
	out := faultJSON{
		Kind: f.Kind, Times: f.Times, Skip: f.Skip, Chance: f.Chance,
		Page: f.Page, Namespace: f.Namespace, Account: f.Account, Lane: f.Lane,
		Code: f.Code, Msg: f.Msg, Minimal: f.Minimal, Integer: f.Integer, HTTPStatus: f.HTTPStatus,
		RetryAfter: spanText(f.RetryAfter), Delay: spanText(f.Delay), Pause: spanText(f.Pause),
		Size: f.Size, Age: spanText(f.Age), ServePage: f.ServePage, Keep: f.Keep, Delta: f.Delta, Hidden: f.Hidden,
	}
	if !f.AsOf.IsZero() {
		out.AsOf = f.AsOf.Format(time.RFC3339Nano)
	}
	return out
}

func spanText(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

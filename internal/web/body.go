package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"reflect"
	"strings"
)

// maxOrderBytes bounds what a page that does something reads: a thousand event ids are less than 50 KB.
const maxOrderBytes = 128 << 10

// errNotJSON is answered with 415. A form of another site can only send what a form can hold, which JSON is not.
var errNotJSON = errors.New("send the body as application/json")

var errNoObject = &InvalidError{Field: "body", Problem: "it is not a JSON object"}

// Why a body could not be read.
var (
	errSlowBody = errors.New("the body did not arrive in time")
	errCutBody  = errors.New("the body did not arrive whole")
)

// unread says why a body could not be read; one that is too large says so itself.
func unread(err error) error {
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errSlowBody
	}
	return errCutBody
}

// readOrder reads the JSON object of a request. No body at all is an empty object.
func readOrder(w http.ResponseWriter, r *http.Request, into any) error {
	if problem := newQuery(r.URL.RawQuery).problem(); problem != nil {
		return problem
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxOrderBytes))
	if err != nil {
		return unread(err)
	}
	if body = bytes.TrimSpace(body); len(body) == 0 {
		return nil
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return errNotJSON
	}
	if body[0] != '{' { // null would be taken for an empty object
		return errNoObject
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return orderProblem(err, into)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return &InvalidError{Field: "body", Problem: "there is more behind the JSON object"}
	}
	return nil
}

// orderProblem says what is wrong with a body, by the name of the field.
func orderProblem(err error, into any) error {
	var kind *json.UnmarshalTypeError
	// The decoder has no other way to tell this mistake apart.
	name, unknown := strings.CutPrefix(err.Error(), "json: unknown field ")
	switch {
	case unknown:
		name = strings.Trim(name, `"`)
		return &InvalidError{Field: cut(name), Problem: unknownName("field", name, fieldNames(into))}
	case errors.As(err, &kind) && kind.Field != "":
		return &InvalidError{Field: kind.Field, Problem: "it must be " + wanted(kind.Type)}
	}
	return errNoObject
}

func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "a list of texts"
	default:
		return "a text"
	}
}

// fieldNames are the JSON names of a struct's fields.
func fieldNames(into any) []string {
	t := reflect.TypeOf(into).Elem()
	names := make([]string, 0, t.NumField())
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

// refuseOrder answers to what is wrong with a request; it reports false when it does not know the mistake.
func refuseOrder(w http.ResponseWriter, err error) bool {
	var (
		large   *http.MaxBytesError
		invalid *InvalidError
	)
	switch {
	case errors.As(err, &large):
		Problem(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d KiB", maxOrderBytes>>10))
	case errors.Is(err, errSlowBody):
		Problem(w, http.StatusRequestTimeout, err.Error())
	case errors.Is(err, errCutBody):
		Problem(w, http.StatusBadRequest, err.Error())
	case errors.Is(err, errNotJSON):
		Problem(w, http.StatusUnsupportedMediaType, err.Error())
	case errors.As(err, &invalid):
		Problem(w, http.StatusBadRequest, err.Error())
	default:
		return false
	}
	return true
}

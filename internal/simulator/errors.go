package simulator

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// fieldError names the field that is wrong: as in Go, or as in JSON where the control API passes it on.
type fieldError struct{ field, problem string }

func (e fieldError) Error() string { return e.field + ": " + e.problem }

func oneOf[T ~string](field string, v T, allowed ...T) error {
	if slices.Contains(allowed, v) {
		return nil
	}
	return fieldError{field, fmt.Sprintf("%q is none of %q", v, allowed)}
}

func notNegative(field string, v float64) error {
	if v >= 0 {
		return nil
	}
	return fieldError{field, fmt.Sprintf("%v is negative", v)}
}

func ratio(field string, v float64) error {
	if v >= 0 && v <= 1 {
		return nil
	}
	return fieldError{field, fmt.Sprintf("%v is not between 0 and 1", v)}
}

// inJSON rewrites a field error for readers who wrote JSON: HTTPStatus becomes http_status.
func inJSON(err error) error {
	var wrong fieldError
	if !errors.As(err, &wrong) {
		return err
	}
	return fieldError{snake(wrong.field), wrong.problem}
}

func snake(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		starts := i > 0 && unicode.IsUpper(r) &&
			(unicode.IsLower(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1]))
		if starts {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

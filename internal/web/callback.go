package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxVideoNo bounds an id, in bytes; the platform's have about 20.
const maxVideoNo = 128

// callback is what the platform sends: {"videoNo", "status"} for an upload, with "clientId" until 2025; {"taskId", "status"}
// for an import. Its lists write video_no, so that spelling is taken too. The status says nothing we would believe, and is
// not even read.
type callback struct {
	VideoNo      identifier `json:"videoNo"`
	VideoNoSnake identifier `json:"video_no"`
	TaskID       identifier `json:"taskId"`
	TaskIDSnake  identifier `json:"task_id"`
}

// identifier is a string; numbers are taken as they are written, since the platform writes them now so, now so.
type identifier string

// UnmarshalJSON takes a string, a number or null.
func (i *identifier) UnmarshalJSON(text []byte) error {
	switch {
	case bytes.Equal(text, []byte("null")):
		return nil
	case text[0] == '"':
		return json.Unmarshal(text, (*string)(i))
	case text[0] == '{', text[0] == '[', text[0] == 't', text[0] == 'f':
		return errors.New("an id is a string or a number")
	}
	*i = identifier(text)
	return nil
}

// parseHint returns the id of the video that a callback is about, empty for that of a task. Its errors are sentences for the
// caller and repeat nothing of the body.
func parseHint(contentType string, body []byte) (videoNo string, err error) {
	c, err := readCallback(contentType, bytes.TrimSpace(body))
	if err != nil {
		return "", err
	}
	id := string(c.VideoNo)
	if id == "" {
		id = string(c.VideoNoSnake)
	}
	switch {
	case id == "" && c.TaskID == "" && c.TaskIDSnake == "":
		return "", errors.New("neither videoNo nor taskId is there")
	case len(id) > maxVideoNo:
		return "", fmt.Errorf("videoNo is longer than %d bytes", maxVideoNo)
	case !utf8.ValidString(id) || strings.ContainsFunc(id, unicode.IsControl):
		return "", errors.New("videoNo holds control characters")
	}
	return id, nil
}

// readCallback goes by what the body looks like, for callers that name another type than they send.
func readCallback(contentType string, body []byte) (callback, error) {
	if bytes.HasPrefix(body, []byte("{")) {
		var c callback
		if err := json.Unmarshal(body, &c); err != nil {
			return c, errors.New("the body is not the JSON of a callback")
		}
		return c, nil
	}
	if kind, _, err := mime.ParseMediaType(contentType); err != nil || kind != "application/x-www-form-urlencoded" {
		return callback{}, errors.New("send a JSON object, or a form")
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return callback{}, errors.New("the body is not the form of a callback")
	}
	field := func(name string) identifier { return identifier(form.Get(name)) }
	return callback{
		VideoNo: field("videoNo"), VideoNoSnake: field("video_no"), TaskID: field("taskId"), TaskIDSnake: field("task_id"),
	}, nil
}

package web

import (
	"encoding/json"
	"net/http"
)

// problem is an RFC 9457 document without a type of its own: the status says what happened.
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
}

// Problem answers with an error as application/problem+json. Detail is a sentence for the caller; it must hold nothing
// that the caller may not know.
func Problem(w http.ResponseWriter, status int, detail string) {
	writeJSON(w, "application/problem+json", status, problem{Title: http.StatusText(status), Status: status, Detail: detail})
}

func writeJSON(w http.ResponseWriter, contentType string, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil { // only a programming mistake can get here: bodies are plain structs
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // the caller has gone
}

package web

import (
	"net/http"

	"vidbell/docs"
)

// handleDescription adds the description of the API. It is open: it is no secret, and the same for every installation of a
// version.
func (s *Server) handleDescription() {
	s.handleOpen("GET /v1/openapi.json", describe("application/json", func() ([]byte, error) {
		_, text, err := docs.OpenAPI()
		return text, err
	}))
	s.handleOpen("GET /v1/openapi.yaml", describe("application/yaml", func() ([]byte, error) {
		text, _, err := docs.OpenAPI()
		return text, err
	}))
}

func describe(contentType string, read func() ([]byte, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := newQuery(r.URL.RawQuery).problem(); err != nil {
			refuse(w, err)
			return
		}
		text, err := read()
		if err != nil { // only a programming mistake can get here: a test reads it
			refuse(w, err)
			return
		}
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write(text) // the caller has gone
	}
}

package webhook

import (
	"errors"
	"fmt"
)

const maxSources = 64 // each is a subject per event type in the engine's filter

// compileLane checks what an endpoint says about how it is served.
func (t *target) compileLane() []error {
	var problems []error
	if t.PublicOnly && t.InsecureHTTP {
		problems = append(problems, errors.New("insecure_http: the endpoint is held to https, leave it out"))
	}
	if t.PublicOnly && t.url != nil && t.url.Scheme != "https" {
		problems = append(problems, errors.New("url: begin it with https://"))
	}
	for i, name := range t.Sources {
		if !namePattern.MatchString(name) {
			problems = append(problems, fmt.Errorf("sources[%d]: not the name of a source, use 1 to 64 letters, digits, - or _", i))
		}
	}
	if len(t.Sources) > maxSources {
		problems = append(problems, fmt.Errorf("sources: %d are too many, use at most %d", len(t.Sources), maxSources))
	}
	var err error
	if t.filter, err = compileFilter(t.Filter); err != nil {
		problems = append(problems, fmt.Errorf("filter: %w", err))
	}
	return problems
}

func (t *target) policy() policy {
	return policy{insecureHTTP: t.InsecureHTTP && !t.PublicOnly, publicOnly: t.PublicOnly}
}

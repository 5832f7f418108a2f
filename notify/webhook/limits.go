package webhook

import "errors"

// compileLane checks what an endpoint says about how it is served.
func (t *target) compileLane() []error {
	var problems []error
	if t.PublicOnly && t.InsecureHTTP {
		problems = append(problems, errors.New("insecure_http: the endpoint is held to https, leave it out"))
	}
	if t.PublicOnly && t.url != nil && t.url.Scheme != "https" {
		problems = append(problems, errors.New("url: begin it with https://"))
	}
	return problems
}

func (t *target) policy() policy {
	return policy{insecureHTTP: t.InsecureHTTP && !t.PublicOnly, publicOnly: t.PublicOnly}
}

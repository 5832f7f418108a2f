package webhook

import (
	"fmt"
	"strings"
)

// Format says what an endpoint's requests look like.
type Format string

// The formats of requests.
const (
	FormatStandard    Format = "standard"    // the event's own JSON as application/json
	FormatCloudEvents Format = "cloudevents" // the same bytes as application/cloudevents+json
)

// formats are in the order in which a mistake is answered with them.
var formats = []Format{FormatStandard, FormatCloudEvents}

// contentTypes are shared header values: net/http only reads them.
var contentTypes = map[Format][]string{
	FormatStandard:    {"application/json"},
	FormatCloudEvents: {"application/cloudevents+json"},
}

func checkFormat(f Format) error {
	if contentTypes[f] != nil {
		return nil
	}
	names := make([]string, len(formats))
	for i, known := range formats {
		names[i] = string(known)
	}
	return fmt.Errorf("%q is no format, there are %s", string(f), strings.Join(names, ", "))
}

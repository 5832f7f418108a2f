package config

import (
	"regexp"
	"slices"
	"strings"

	"vidbell/internal/suggest"
)

const variablePrefix = "VIDBELL_"

// Kubernetes sets these for each Service of the namespace whose name starts with vidbell. The PORT ones hold an address
// with a protocol, which tells them from a guess such as VIDBELL_PORT=8080. The name of the Service is matched as short as
// can be, since VIDBELL_PORT_80_TCP_PORT has the word twice.
var (
	serviceHost = regexp.MustCompile(`^VIDBELL_(.+_)?SERVICE_(HOST|PORT(_.+)?)$`)
	servicePort = regexp.MustCompile(`^VIDBELL_(.+?_)??PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$`)
	portValue   = regexp.MustCompile(`^(tcp|udp|sctp)://`)
)

// reportUnknown finds VIDBELL_ variables that are no setting: a misspelt name would otherwise be a default in silence.
func reportUnknown(environ []string, p *Problems) {
	known := knownNames()
	environ = slices.Sorted(slices.Values(environ))
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, variablePrefix) || strings.TrimSpace(value) == "" ||
			slices.Contains(known, name) || serviceLink(name, value) {
			continue
		}
		p.Add(name, unknownText(name, known))
	}
}

func unknownText(name string, known []string) string {
	if plain, ok := strings.CutSuffix(name, "_FILE"); ok && slices.Contains(known, plain) {
		return "unknown variable: only secrets are read from files, set " + plain
	}
	if near := nearest(name, known); near != "" {
		return "unknown variable, did you mean " + near + "?"
	}
	return "unknown variable: vidbell help env lists all"
}

func knownNames() []string {
	var names []string
	for _, v := range Variables() {
		names = append(names, v.Name)
		if v.Secret {
			names = append(names, v.FileName())
		}
	}
	return names
}

func serviceLink(name, value string) bool {
	if serviceHost.MatchString(name) {
		return true
	}
	match := servicePort.FindStringSubmatch(name)
	if match == nil {
		return false
	}
	return match[2] != "" || portValue.MatchString(value)
}

// nearest is the known name that is most like the given one, or "" when none is like it.
func nearest(name string, known []string) string {
	best, least := "", 0
	for _, candidate := range known {
		d := suggest.Distance(strings.TrimPrefix(name, variablePrefix), strings.TrimPrefix(candidate, variablePrefix))
		if best == "" || d < least {
			best, least = candidate, d
		}
	}
	if least > max(2, (len(name)-len(variablePrefix))/3) {
		return ""
	}
	return best
}

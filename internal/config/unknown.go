package config

import (
	"regexp"
	"slices"
	"strings"
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
		d := distance(strings.TrimPrefix(name, variablePrefix), strings.TrimPrefix(candidate, variablePrefix))
		if best == "" || d < least {
			best, least = candidate, d
		}
	}
	if least > max(2, (len(name)-len(variablePrefix))/3) {
		return ""
	}
	return best
}

// distance is the number of single-letter slips between two words (Levenshtein), two swapped letters being one slip.
func distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

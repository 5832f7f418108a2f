package config

import (
	"crypto/x509"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// maxEcho bounds how much of a wrong value is repeated in a problem, in bytes.
const maxEcho = 60

// into makes a setter of the place of a field and the parser of its value. The field keeps its default when the parser
// fails.
func into[T any](field func(*Config) *T, parse func(string) (T, error)) setter {
	return func(c *Config, value string) error {
		parsed, err := parse(value)
		if err == nil {
			*field(c) = parsed
		}
		return err
	}
}

func asIs(value string) (string, error) { return value, nil }

func oneOf[T ~string](allowed ...T) func(string) (T, error) {
	return func(value string) (T, error) {
		chosen := T(strings.ToLower(value))
		if slices.Contains(allowed, chosen) {
			return chosen, nil
		}
		words := make([]string, len(allowed))
		for i, a := range allowed {
			words[i] = string(a)
		}
		return "", fmt.Errorf("%s is not known, use %s", echo(value), orList(words))
	}
}

func between(least, most time.Duration) func(string) (time.Duration, error) {
	return func(value string) (time.Duration, error) {
		d, err := time.ParseDuration(value)
		switch {
		case err != nil:
			return 0, durationError(value)
		case d < least:
			return 0, fmt.Errorf("%s is too short, the least is %s", echo(value), short(least))
		case d > most:
			return 0, fmt.Errorf("%s is too long, the most is %s", echo(value), short(most))
		}
		return d, nil
	}
}

func orZero(parse func(string) (time.Duration, error)) func(string) (time.Duration, error) {
	return func(value string) (time.Duration, error) {
		if d, err := time.ParseDuration(value); err == nil && d == 0 {
			return 0, nil
		}
		return parse(value)
	}
}

func durationError(value string) error {
	if _, err := strconv.ParseFloat(value, 64); err == nil {
		return fmt.Errorf("%s has no unit, write %ss", echo(value), value)
	}
	if days, ok := strings.CutSuffix(value, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n < math.MaxInt/24 {
			return fmt.Errorf("%s: days are not a unit here, write %dh", echo(value), n*24)
		}
	}
	return fmt.Errorf("%s is not a duration, write it like 500ms, 15s, 10m or 1h30m", echo(value))
}

// short prints a duration as people write it: 30s, 1h, without the zero parts of Duration.String.
func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func parseRate(value string) (float64, error) {
	rate, err := strconv.ParseFloat(value, 64)
	if err != nil || math.IsNaN(rate) {
		return 0, fmt.Errorf("%s is not a number, write requests a second like 1 or 0.5", echo(value))
	}
	if rate <= 0 || rate > maxRate {
		return 0, fmt.Errorf("%s is out of range, use more than 0 and at most %d", echo(value), maxRate)
	}
	return rate, nil
}

// countTo reads a whole number of at least one.
func countTo(most int) func(string) (int, error) {
	return func(value string) (int, error) {
		n, err := strconv.Atoi(value)
		if err != nil {
			return 0, fmt.Errorf("%s is not a whole number, use 1 to %d", echo(value), most)
		}
		if n < 1 || n > most {
			return 0, fmt.Errorf("%s is out of range, use 1 to %d", echo(value), most)
		}
		return n, nil
	}
}

// split cuts a list at its commas and drops spaces and empty entries.
func split(value string) []string {
	var entries []string
	for entry := range strings.SplitSeq(value, ",") {
		if entry = strings.TrimSpace(entry); entry != "" {
			entries = append(entries, entry)
		}
	}
	return entries
}

// each parses the entries of a list and reports every entry that is wrong.
func each[T any](value string, parse func(entry string) (T, error)) ([]T, error) {
	entries := split(value)
	if len(entries) == 0 {
		return nil, errors.New("has no entry between its commas")
	}
	list := make([]T, 0, len(entries))
	var errs []error
	for _, entry := range entries {
		parsed, err := parse(entry)
		list, errs = append(list, parsed), append(errs, err)
	}
	return list, errors.Join(errs...)
}

// parseWords reads status words. The platform writes them in upper case; ours are compared so.
func parseWords(value string) ([]string, error) {
	return each(value, func(entry string) (string, error) {
		word := strings.ToUpper(entry)
		if word == "PARSE" {
			return "", errors.New("PARSE means different things: take it out of the list and set VIDBELL_STATUS_PARSE to done or processing")
		}
		return word, nil
	})
}

// eventTypes is every type of event; a glob that matches none of them is a slip of the pen.
func eventTypes() []string {
	return []string{
		"video.done", "video.failed", "video.processing", "video.stalled", "video.deleted",
		"source.degraded", "source.recovered",
		"endpoint.degraded", "endpoint.disabled", "endpoint.recovered",
	}
}

func parseEventGlobs(value string) ([]string, error) {
	return each(value, func(glob string) (string, error) {
		for _, kind := range eventTypes() {
			if ok, err := path.Match(glob, kind); err != nil {
				return "", fmt.Errorf("%s is not a glob, use * for any characters", echo(glob))
			} else if ok {
				return glob, nil
			}
		}
		return "", fmt.Errorf("%s matches no event type; the types are %s", echo(glob), strings.Join(eventTypes(), ", "))
	})
}

func parseNetworks(value string) ([]netip.Prefix, error) {
	return each(value, func(entry string) (netip.Prefix, error) {
		if addr, err := netip.ParseAddr(entry); err == nil && addr.Zone() == "" {
			return netip.Prefix{}, fmt.Errorf("%s has no length, write %s/%d", echo(entry), entry, addr.BitLen())
		}
		prefix, err := netip.ParsePrefix(entry)
		if err != nil {
			return prefix, fmt.Errorf("%s is not a network, write it like 10.20.0.0/16 or fd00::/8", echo(entry))
		}
		if masked := prefix.Masked(); masked != prefix {
			return prefix, fmt.Errorf("%s has bits behind its length, write %s", echo(entry), masked)
		}
		return prefix, nil
	})
}

func parseAPIKey(value string) (Secret, error) {
	if scheme, _, ok := strings.Cut(value, " "); ok && strings.EqualFold(scheme, "bearer") {
		return Secret{}, errors.New("is sent as it is: give the key alone, without the word Bearer")
	}
	return parseToken(value)
}

// parseToken takes what can stand in a header: visible ASCII.
func parseToken(value string) (Secret, error) {
	for i := range len(value) {
		if value[i] <= ' ' || value[i] > '~' {
			return Secret{}, errors.New("holds a space, a line break or a character that is not ASCII: check how it was copied")
		}
	}
	return NewSecret(value), nil
}

func parseSecrets(value string) ([]Secret, error) {
	seen := map[string]bool{}
	return each(value, func(entry string) (Secret, error) {
		if seen[entry] {
			return Secret{}, errors.New("holds the same secret twice")
		}
		seen[entry] = true
		return parseToken(entry)
	})
}

// parseHintSecret takes what can stand in a path as it is. The platform takes addresses of at most 299 characters.
func parseHintSecret(value string) (Secret, error) {
	switch {
	case !pathToken.MatchString(value):
		return Secret{}, errors.New("has other characters than letters, digits, - and _: make one with openssl rand -hex 24")
	case len(value) < minHintSecret:
		return Secret{}, fmt.Errorf("is shorter than %d characters: make one with openssl rand -hex 24", minHintSecret)
	case len(value) > maxHintSecret:
		return Secret{}, fmt.Errorf("is longer than %d characters: make one with openssl rand -hex 24", maxHintSecret)
	}
	return NewSecret(value), nil
}

// parseListen takes host:port, or off, which is the empty address.
func parseListen(value string) (string, error) {
	if strings.EqualFold(value, "off") {
		return "", nil
	}
	if port, err := strconv.Atoi(value); err == nil {
		return "", fmt.Errorf("%s has no host, write 127.0.0.1:%d, or :%d for every network", echo(value), port, port)
	}
	host, port, err := net.SplitHostPort(value)
	if err != nil {
		return "", fmt.Errorf("%s is not an address, write host:port like 127.0.0.1:8080, or off", echo(value))
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > math.MaxUint16 {
		return "", fmt.Errorf("%s: the port must be a number from 0 to 65535", echo(value))
	}
	if strings.ContainsFunc(host, func(r rune) bool { return r == '/' || unicode.IsSpace(r) }) {
		return "", fmt.Errorf("%s is not an address, write host:port without a scheme or path", echo(value))
	}
	return value, nil
}

// loopback tells whether only this machine can reach a listen address.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// anyPort tells whether the system chooses the port of a listen address.
func anyPort(address string) bool {
	_, port, err := net.SplitHostPort(address)
	n, convErr := strconv.Atoi(port)
	return err == nil && convErr == nil && n == 0
}

func readableFile(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", fileError(name, err)
	}
	defer f.Close() //nolint:errcheck // only read
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return "", fmt.Errorf("%q is a folder, name a file", name)
	}
	return name, nil
}

func caFile(name string) (string, error) {
	pem, err := os.ReadFile(name)
	if err != nil {
		return "", fileError(name, err)
	}
	if !x509.NewCertPool().AppendCertsFromPEM(pem) {
		return "", fmt.Errorf("file %q holds no certificate in PEM form", name)
	}
	return name, nil
}

// looksSecret tells a key of the platform or a signing secret that somebody has put in the wrong place.
func looksSecret(value string) bool {
	value = strings.TrimSpace(value)
	return strings.HasPrefix(value, "sk-") || strings.HasPrefix(value, "whsec_") || strings.HasPrefix(value, "whsk_")
}

// echo repeats a wrong value: quoted, so that control characters are harmless, and bounded.
func echo(value string) string {
	if looksSecret(value) {
		return redacted + ", which looks like a secret,"
	}
	if len(value) > maxEcho {
		value = strings.ToValidUTF8(value[:maxEcho], "") + "..."
	}
	return strconv.Quote(value)
}

func orList(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

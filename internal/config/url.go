package config

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Problems of URLs never repeat the URL: it may carry a password or a token. Entries of lists are told by their number.

func parseAPIURL(value string) (string, error) {
	u, err := parseWebURL(value)
	if err != nil {
		return "", err
	}
	if u.RawQuery != "" || u.ForceQuery {
		return "", errors.New("must not have a query (?...)")
	}
	return strings.TrimRight(u.String(), "/"), nil
}

func parseWebhookURLs(value string) ([]Secret, error) {
	return eachURL(value, func(entry string) error {
		_, err := parseWebURL(entry)
		return err
	})
}

func parseWebURL(value string) (*url.URL, error) {
	u, err := parseURL(value, "http", "https")
	switch {
	case err != nil:
		return nil, err
	case u.User != nil:
		return nil, errors.New("must not hold a user or password (...@)")
	case strings.Contains(value, "#"):
		return nil, errors.New("must not have a fragment (#...)")
	}
	return u, nil
}

func parseNATSURLs(value string) ([]Secret, error) {
	urls, err := eachURL(value, checkNATSURL)
	if err != nil {
		return nil, err
	}
	web := 0
	for _, u := range urls {
		if strings.HasPrefix(strings.ToLower(u.Reveal()), "ws") {
			web++
		}
	}
	if web != 0 && web != len(urls) {
		return nil, errors.New("mixes ws:// with other schemes: use one kind for all servers")
	}
	return urls, nil
}

func checkNATSURL(entry string) error {
	u, err := parseURL(entry, "nats", "tls", "ws", "wss")
	if err != nil {
		return err
	}
	if strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("must be a scheme, host and port only, like nats://nats.example.com:4222")
	}
	return nil
}

// parseURL checks what all URLs share: one of the schemes, a host, a sensible port.
func parseURL(value string, schemes ...string) (*url.URL, error) {
	hint := schemes[len(schemes)-1] + "://"
	if slices.Contains(schemes, "nats") {
		hint = "nats://"
	}
	if !strings.Contains(value, "://") {
		return nil, fmt.Errorf("has no scheme, start it with %s", hint)
	}
	u, err := url.Parse(value)
	if err != nil {
		return nil, errors.New("is not a valid URL")
	}
	if !slices.Contains(schemes, u.Scheme) {
		return nil, fmt.Errorf("scheme %s cannot be used, use %s", echo(u.Scheme), orList(schemes))
	}
	if u.Hostname() == "" {
		return nil, errors.New("has no host")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return nil, errors.New("has a port out of range, use 1 to 65535")
		}
	}
	return u, nil
}

// eachURL checks a list of URLs and refuses one that is given twice.
func eachURL(value string, check func(entry string) error) ([]Secret, error) {
	number, several := 0, len(split(value)) > 1
	seen := map[string]int{}
	return each(value, func(entry string) (Secret, error) {
		number++
		err := check(entry)
		if first, twice := seen[entry]; twice && err == nil {
			err = fmt.Errorf("is the same as URL %d", first)
		}
		seen[entry] = number
		if err != nil && several {
			err = fmt.Errorf("URL %d %w", number, err)
		}
		return NewSecret(entry), err
	})
}

// showURL keeps scheme and host of a URL, and says that there was more.
func showURL(value string) string {
	u, err := url.Parse(value)
	if err != nil || u.Host == "" {
		return redacted
	}
	shown := u.Scheme + "://" + u.Host
	if u.User != nil {
		shown = u.Scheme + "://" + redacted + "@" + u.Host
	}
	if strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		shown += "/..."
	}
	return shown
}

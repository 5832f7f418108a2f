package app

import (
	"crypto/hmac"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"vidbell/notify/webhook"
)

const (
	secretBytes = 24 // base64 without padding, so that the value survives shells
	// tolerance is how far the clocks of sender and receiver may be apart, by the Standard Webhooks specification.
	tolerance = 5 * time.Minute
)

func newSecret() (string, error) {
	key := make([]byte, secretBytes)
	if _, err := rand.Read(key); err != nil {
		return "", err
	}
	return "whsec_" + base64.StdEncoding.EncodeToString(key), nil
}

// verifier checks requests by the Standard Webhooks rules.
func verifier(secret string) (func(http.Header, []byte) error, error) {
	key, err := webhook.ParseSecret(secret)
	if err != nil {
		return nil, err
	}
	return func(h http.Header, body []byte) error {
		seconds, err := strconv.ParseInt(h.Get("webhook-timestamp"), 10, 64)
		if err != nil {
			return errors.New("no webhook-timestamp")
		}
		at := time.Unix(seconds, 0)
		if d := time.Since(at); d > tolerance || d < -tolerance {
			return errors.New("webhook-timestamp is too far from now")
		}
		want := webhook.Sign(key, h.Get("webhook-id"), at, body)
		for given := range strings.FieldsSeq(h.Get("webhook-signature")) {
			if hmac.Equal([]byte(given), []byte(want)) {
				return nil
			}
		}
		return errors.New("no signature matches")
	}, nil
}

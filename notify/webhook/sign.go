package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

const (
	secretPrefix   = "whsec_"
	minSecretBytes = 24 // both bounds: Standard Webhooks specification
	maxSecretBytes = 64
)

// Secret is a signing key. No format verb, log field or encoder prints it.
type Secret struct{ key []byte }

// ParseSecret reads whsec_ and the base64 of 24 to 64 bytes. Its errors say what is wrong without quoting the text.
func ParseSecret(text string) (Secret, error) {
	encoded, ok := strings.CutPrefix(text, secretPrefix)
	if !ok {
		return Secret{}, errors.New("must begin with whsec_, as in the output of: echo whsec_$(openssl rand -base64 24)")
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return Secret{}, errors.New("what follows whsec_ is not base64 with its padding")
	}
	if len(key) < minSecretBytes || len(key) > maxSecretBytes {
		return Secret{}, fmt.Errorf("holds %d bytes, use %d to %d", len(key), minSecretBytes, maxSecretBytes)
	}
	return Secret{key: key}, nil
}

// String hides the key.
func (Secret) String() string { return secretPrefix + "[hidden]" }

// GoString hides the key from %#v.
func (s Secret) GoString() string { return s.String() }

// MarshalText hides the key from encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Sign returns one entry of the webhook-signature header: "v1," and the base64 HMAC-SHA256 of id, the Unix seconds of ts and
// body, joined by full stops.
func Sign(secret Secret, id string, ts time.Time, body []byte) string {
	return string(appendSignature(nil, secret, id, strconv.FormatInt(ts.Unix(), 10), body))
}

// signatures is the whole header: an entry for each secret, so that either of two keys verifies during a rotation.
func signatures(secrets []Secret, id, unix string, body []byte) string {
	const entry = len("v1,") + 44 + len(" ") // 44: base64 of 32 bytes
	out := make([]byte, 0, entry*len(secrets))
	for i, s := range secrets {
		if i > 0 {
			out = append(out, ' ')
		}
		out = appendSignature(out, s, id, unix, body)
	}
	return string(out)
}

func appendSignature(out []byte, secret Secret, id, unix string, body []byte) []byte {
	mac := hmac.New(sha256.New, secret.key)
	head := make([]byte, 0, 96)
	head = append(append(append(append(head, id...), '.'), unix...), '.')
	mac.Write(head)
	mac.Write(body)
	var sum [sha256.Size]byte
	return base64.StdEncoding.AppendEncode(append(out, "v1,"...), mac.Sum(sum[:0]))
}

package webhook

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	secretPrefix   = "whsec_"
	privatePrefix  = "whsk_"
	publicPrefix   = "whpk_"
	minSecretBytes = 24 // both bounds: Standard Webhooks specification, "Signature scheme"
	maxSecretBytes = 64
)

// Secret is a signing key: shared with the receiver (whsec_), or the private half of an ed25519 pair (whsk_) whose public
// half the receiver has. No format verb, log field or encoder prints it.
type Secret struct {
	key     []byte             // of HMAC-SHA256
	private ed25519.PrivateKey // in its place, for whsk_
}

// ParseSecret reads whsec_ and the base64 of 24 to 64 bytes, or whsk_ and the base64 of an ed25519 key: its seed of 32 bytes,
// or seed and public key, 64 bytes. Its errors say what is wrong without quoting the text.
func ParseSecret(text string) (Secret, error) {
	if encoded, ok := strings.CutPrefix(text, privatePrefix); ok {
		return parsePrivate(encoded)
	}
	encoded, ok := strings.CutPrefix(text, secretPrefix)
	if !ok {
		return Secret{}, errors.New("must begin with whsec_, as in the output of: echo whsec_$(openssl rand -base64 24), or with whsk_ for an ed25519 key")
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

func parsePrivate(encoded string) (Secret, error) {
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return Secret{}, errors.New("what follows whsk_ is not base64 with its padding")
	}
	switch len(key) {
	case ed25519.SeedSize:
		return Secret{private: ed25519.NewKeyFromSeed(key)}, nil
	case ed25519.PrivateKeySize:
		// A public half of another pair would sign what nobody can verify.
		if pair := ed25519.NewKeyFromSeed(key[:ed25519.SeedSize]); !bytes.Equal(pair, key) {
			return Secret{}, errors.New("the two halves after whsk_ are not one ed25519 key pair")
		}
		return Secret{private: key}, nil
	default:
		return Secret{}, fmt.Errorf("holds %d bytes, an ed25519 key has %d or %d", len(key), ed25519.SeedSize, ed25519.PrivateKeySize)
	}
}

// PublicKey is what the receiver of a whsk_ key's signatures is given: whpk_ and the base64 of the public key. It is empty for
// a shared secret, which has no half that may be shown.
func (s Secret) PublicKey() string {
	if s.private == nil {
		return ""
	}
	return publicPrefix + base64.StdEncoding.EncodeToString(s.private[ed25519.SeedSize:])
}

// String hides the key.
func (s Secret) String() string {
	if s.private != nil {
		return privatePrefix + "[hidden]"
	}
	return secretPrefix + "[hidden]"
}

// GoString hides the key from %#v.
func (s Secret) GoString() string { return s.String() }

// MarshalText hides the key from encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Sign returns one entry of the webhook-signature header over id, the Unix seconds of ts and body, joined by full stops:
// "v1," and the base64 HMAC-SHA256, or "v1a," and the base64 ed25519 signature for a whsk_ key.
func Sign(secret Secret, id string, ts time.Time, body []byte) string {
	unix := strconv.FormatInt(ts.Unix(), 10)
	if secret.private != nil {
		return string(appendSignature(nil, secret, signedContent(id, unix, body)))
	}
	return string(appendMAC(nil, secret, id, unix, body))
}

// sharedFirst orders secrets for the header: a receiver that reads no further than the first entry most likely knows v1.
func sharedFirst(secrets []Secret) []Secret {
	slices.SortStableFunc(secrets, func(a, b Secret) int { return min(1, len(a.private)) - min(1, len(b.private)) })
	return secrets
}

// signatures is the whole header: an entry for each secret, so that either of two keys verifies during a rotation.
func signatures(secrets []Secret, id, unix string, body []byte) string {
	const entry = len("v1a,") + 88 + len(" ") // 88: base64 of 64 bytes
	out := make([]byte, 0, entry*len(secrets))
	var content []byte
	for i, s := range secrets {
		if i > 0 {
			out = append(out, ' ')
		}
		if s.private == nil {
			out = appendMAC(out, s, id, unix, body)
			continue
		}
		if content == nil {
			content = signedContent(id, unix, body)
		}
		out = appendSignature(out, s, content)
	}
	return string(out)
}

// signedContent is what ed25519 needs in one piece; an HMAC is fed without this copy.
func signedContent(id, unix string, body []byte) []byte {
	content := make([]byte, 0, len(id)+len(unix)+len(body)+2)
	content = append(append(append(append(content, id...), '.'), unix...), '.')
	return append(content, body...)
}

func appendSignature(out []byte, secret Secret, content []byte) []byte {
	return base64.StdEncoding.AppendEncode(append(out, "v1a,"...), ed25519.Sign(secret.private, content))
}

func appendMAC(out []byte, secret Secret, id, unix string, body []byte) []byte {
	mac := hmac.New(sha256.New, secret.key)
	head := make([]byte, 0, 96)
	head = append(append(append(append(head, id...), '.'), unix...), '.')
	mac.Write(head)
	mac.Write(body)
	var sum [sha256.Size]byte
	return base64.StdEncoding.AppendEncode(append(out, "v1,"...), mac.Sum(sum[:0]))
}

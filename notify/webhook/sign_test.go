package webhook

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

func TestTheOfficialLibraryVerifiesWhatWeSign(t *testing.T) {
	for _, size := range []int{minSecretBytes, 32, maxSecretBytes} {
		text := secretPrefix + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", size)))
		secret, err := ParseSecret(text)
		must(t, err)
		official, err := standardwebhooks.NewWebhook(text)
		must(t, err)
		now, body := time.Now(), []byte(`{"name":"ein Film – ü"}`)
		ours := Sign(secret, "evt_1", now, body)
		theirs, err := official.Sign("evt_1", now, body)
		must(t, err)
		if ours != theirs {
			t.Errorf("%d bytes: %s, the library signs %s", size, ours, theirs)
		}
	}
}

func TestEitherSecretVerifiesDuringARotation(t *testing.T) {
	now, body := time.Now(), []byte(`{}`)
	unix := strconv.FormatInt(now.Unix(), 10)
	var secrets []Secret
	for _, seed := range []byte{1, 2} {
		s, err := ParseSecret(secretText(seed))
		must(t, err)
		secrets = append(secrets, s)
	}
	header := http.Header{}
	header.Set("webhook-id", "evt_1")
	header.Set("webhook-timestamp", unix)
	header.Set("webhook-signature", signatures(secrets, "evt_1", unix, body))
	for _, seed := range []byte{1, 2} {
		official, err := standardwebhooks.NewWebhook(secretText(seed))
		must(t, err)
		if err := official.Verify(body, header); err != nil {
			t.Errorf("secret %d: %v", seed, err)
		}
	}
	stranger, err := standardwebhooks.NewWebhook(secretText(3))
	must(t, err)
	if stranger.Verify(body, header) == nil {
		t.Error("a secret that did not sign verifies")
	}
}

func TestSecretsThatCannotBeUsedAreNamedWithoutBeingShown(t *testing.T) {
	encode := func(n int) string { return base64.StdEncoding.EncodeToString([]byte(strings.Repeat("Q", n))) }
	for name, c := range map[string]struct{ text, want string }{
		"nothing at all":             {"", "must begin with whsec_"},
		"no prefix":                  {encode(32), "must begin with whsec_"},
		"a public key":               {"whpk_" + encode(32), "must begin with whsec_"},
		"an ed25519 key too short":   {"whsk_" + encode(31), "holds 31 bytes, an ed25519 key has 32 or 64"},
		"halves of two pairs":        {"whsk_" + encode(64), "not one ed25519 key pair"},
		"an ed25519 key, no base64":  {"whsk_" + strings.Repeat("!", 32), "what follows whsk_ is not base64"},
		"only the prefix":            {"whsec_", "holds 0 bytes, use 24 to 64"},
		"too short":                  {"whsec_" + encode(23), "holds 23 bytes, use 24 to 64"},
		"too long":                   {"whsec_" + encode(65), "holds 65 bytes, use 24 to 64"},
		"no base64":                  {"whsec_" + strings.Repeat("!", 32), "not base64"},
		"base64 without its padding": {"whsec_" + strings.TrimRight(encode(32), "="), "not base64"},
	} {
		_, err := ParseSecret(c.text)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if key := c.text[min(6, len(c.text)):]; err != nil && key != "" && strings.Contains(err.Error(), key) {
			t.Errorf("%s: the error shows the secret: %v", name, err)
		}
	}
}

func TestASecretIsNeverPrinted(t *testing.T) {
	secret, err := ParseSecret(secretText(0))
	must(t, err)
	encoded, err := json.Marshal(map[string]any{"secret": secret, "endpoint": Endpoint{
		Name: "a", URL: "https://user:pass@host/?token=tok", Secrets: []string{secretText(0)},
	}})
	must(t, err)
	e := Endpoint{Name: "a", URL: "https://user:pass@host/?token=tok", Secrets: []string{secretText(0)}}
	all := string(encoded) + fmt.Sprintf("%v %+v %#v %s %q %x", secret, secret, secret, secret, secret, secret) +
		fmt.Sprintf("%v %+v %#v %s", e, e, e, e)
	for _, leak := range []string{strings.Repeat("a", 24), strings.TrimPrefix(secretText(0), secretPrefix), "pass", "tok", "616161"} {
		if strings.Contains(all, leak) {
			t.Errorf("%q leaks: %s", leak, all)
		}
	}
}

package webhook

import (
	"encoding/json"
	"fmt"
	"html"
	"strings"
	"testing"
)

// A receiver that fails likes to repeat what it was asked. No form in which it does shows a secret to people.
func TestWhatAReceiverRepeatsIsHidden(t *testing.T) {
	const secret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"
	target, err := compile(Endpoint{
		Name: "chat", URL: "https://jane:pa55&word@hooks.example.com/services/T024BE7LD/B01FVQ3X7/Zx0123456789abcdefghij?sig=a%2Fb%3Dc123&v=1",
		Secrets: []string{secret}, Headers: map[string]string{"X-Api-Key": "key-1234567", "X-Auth": "Bearer tok-7654321"},
	})
	if err != nil {
		t.Fatal(err)
	}
	secrets := []string{"pa55&word", "Zx0123456789abcdefghij", "a/b=c123", "a%2Fb%3Dc123", secret, strings.TrimPrefix(secret, "whsec_"), "key-1234567", "tok-7654321", strings.TrimPrefix(target.basic, "Basic ")}
	for _, s := range secrets {
		quoted, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		for form, text := range map[string]string{
			"as it is": s, "in JSON": string(quoted), "in HTML": html.EscapeString(s),
			"twice": s + s, "in a sentence": "no page at " + s + " here",
		} {
			got := string(target.hidden.from([]byte(text)))
			if strings.Contains(got, s) || strings.Contains(got, strings.Trim(string(quoted), `"`)) || strings.Contains(got, html.EscapeString(s)) {
				t.Errorf("%s, %q is shown in %q", form, s, got)
			}
		}
		for n := minHidden; n < len(s); n++ { // where the excerpt ends in the middle of it
			if got := string(target.hidden.from([]byte("at " + s[:n]))); got != "at ***" {
				t.Errorf("%q cut short is %q", s[:n], got)
			}
		}
	}
	for text, want := range map[string]string{
		"": "", "Not Found": "Not Found", "v=1, services of T024BE7LD": "v=1, services of T024BE7LD",
		"POST /services/T024BE7LD/B01FVQ3X7/Zx0123456789abcdefghij failed": "POST /services/T024BE7LD/B01FVQ3X7/*** failed",
	} {
		if got := string(target.hidden.from([]byte(text))); got != want {
			t.Errorf("%q becomes %q", text, got)
		}
	}
	if text := fmt.Sprintf("%v %+v", target.Endpoint, target.Endpoint); strings.Contains(text, "pa55") {
		t.Errorf("an endpoint prints as %s", text)
	}
}

package event

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// ids are what a platform might call a video.
func ids() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.StringMatching(`VI[0-9]{18}`),
		rapid.String(),
		rapid.StringOfN(rapid.RuneFrom([]rune(">*. \x00=h\n\t/$:aé火")), 0, 60, -1),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 200), func(b []byte) string { return string(b) }),
		rapid.Map(rapid.IntRange(0, 5000), func(n int) string { return strings.Repeat(">", n) }),
	)
}

// legalToken says it in other words than the code does.
var legalToken = regexp.MustCompile(`^[A-Za-z0-9_=-]{1,120}$`).MatchString

func TestTokenIsLegalAndReversible(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := ids().Draw(t, "id")
		token := Token(s)
		if !legalToken(token) {
			t.Fatalf("%q is no token of %q", token, s)
		}
		if token != Token(s) {
			t.Fatalf("not the same twice")
		}
		back, err := Untoken(token)
		switch {
		case strings.HasPrefix(token, "=h"):
			if err == nil {
				t.Fatalf("%q came back from a hash as %q", s, back)
			}
		case err != nil || back != s:
			t.Fatalf("%q became %q became %q, %v", s, token, back, err)
		}
	})
}

func TestTokensDiffer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := ids().Draw(t, "a"), ids().Draw(t, "b")
		if a != b && Token(a) == Token(b) {
			t.Fatalf("%q and %q share %q", a, b, Token(a))
		}
	})
	// What a token looks like is no way to another's token.
	for _, s := range []string{"", "=", "=h", "=3D", "a b", "a=20b", strings.Repeat(" ", 4096), Token(strings.Repeat(" ", 4096))} {
		for _, other := range []string{"", "=", "=h", "=3D", "a b", "a=20b", strings.Repeat(" ", 4096), Token(strings.Repeat(" ", 4096))} {
			if s != other && Token(s) == Token(other) {
				t.Errorf("%q and %q share %q", s, other, Token(s))
			}
		}
	}
}

func TestTokenExamples(t *testing.T) {
	for s, want := range map[string]string{
		"VI606404158946574336": "VI606404158946574336", "a_b-C9": "a_b-C9", "": "=", "a b": "a=20b", "a.b": "a=2Eb", "*": "=2A", ">": "=3E",
		"=": "=3D", "\x00": "=00", "é": "=C3=A9",
		strings.Repeat("a", 120): strings.Repeat("a", 120),
	} {
		if got := Token(s); got != want {
			t.Errorf("%q: got %q, want %q", s, got, want)
		}
	}
	for _, long := range []string{strings.Repeat("a", 121), strings.Repeat(" ", 41), strings.Repeat("火", 4096)} {
		if got := Token(long); !strings.HasPrefix(got, "=h") || len(got) != 34 {
			t.Errorf("%d bytes became %q", len(long), got)
		}
	}
}

func TestUntokenRefusesWhatIsNone(t *testing.T) {
	for _, s := range []string{"a.b", "a b", "=h" + strings.Repeat("a", 32), "", "=2", "=2g", "=zz", "é", "==", "=3d"} {
		if got, err := Untoken(s); err == nil {
			t.Errorf("%q became %q", s, got)
		}
	}
}

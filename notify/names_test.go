package notify

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

var legalToken = regexp.MustCompile(`^[A-Za-z0-9_=-]{1,120}$`).MatchString

// nats-server ends a connection for good when a subject and its framing pass 4,096 bytes.
func TestSubjectsAreBoundedAndWellFormed(t *testing.T) {
	long := Names{Instance: strings.Repeat("i", 32), Prefix: strings.Repeat("p", 32) + strings.Repeat("."+strings.Repeat("p", 32), 3)}
	must(t, long.Validate())
	rapid.Check(t, func(t *rapid.T) {
		no, source := ids().Draw(t, "id"), ids().Draw(t, "source")
		for _, n := range []Names{{}, long} {
			for _, subject := range []string{
				n.EventSubject("processing", source, no), n.AppendSubject("processing", source, no), n.StateSubject(source, "note", Token(no)),
				n.OpsSubject(TypeSourceDegraded, source), n.reportSubject(TypeSourceDegraded, source),
				n.DeadSubject(source, no), n.RetrySubject(source, no), n.BirthSubject(),
			} {
				if len(subject) > 1024 {
					t.Fatalf("%d bytes: %s", len(subject), subject)
				}
				for token := range strings.SplitSeq(subject, ".") {
					if !legalToken(token) {
						t.Fatalf("%q in %q", token, subject)
					}
				}
			}
		}
	})
}

func TestSubjectsFallUnderTheirFilters(t *testing.T) {
	for _, n := range []Names{{}, {Instance: "two", Prefix: "acme.video"}} {
		for subject, filters := range map[string][]string{
			n.EventSubject("done", "s", "v"): {
				n.AllEvents(), n.EventFilter("done"), n.EventFilter("*"), n.SourceEvents("s"), n.VideoEvents("s", "v"),
			},
			n.AppendSubject("done", "s", "v"):        {n.AppendAll()},
			n.StateSubject("s", "meta"):              {n.StateAll(), n.SourceState("s")},
			n.OpsSubject("source.degraded", "s"):     {n.OpsAll()},
			n.reportSubject("source.degraded", "s"):  {n.reportAll()},
			n.DeadSubject("e", "evt_1"):              {n.DeadAll()},
			n.RetrySubject("e", "evt_1"):             {n.RetryAll()},
			n.HealthSubject("e"):                     {n.HealthAll()},
			n.EventSubject("failed", "s2", "a.b"):    {n.SourceEvents("s2"), n.VideoEvents("s2", "a.b")},
			n.AppendSubject("failed", "s>", "a.b.*"): {n.AppendAll()},
		} {
			for _, filter := range filters {
				if !covers(filter, subject) {
					t.Errorf("%s does not match %s", filter, subject)
				}
			}
		}
		if covers(n.VideoEvents("s", "v"), n.EventSubject("done", "s", "w")) || covers(n.SourceEvents("s"), n.EventSubject("done", "t", "v")) {
			t.Error("a filter matches what it should not")
		}
	}
}

// covers is NATS's matching, written down once more.
func covers(filter, subject string) bool {
	want, have := strings.Split(filter, "."), strings.Split(subject, ".")
	for i, w := range want {
		if w == ">" {
			return len(have) > i
		}
		if i >= len(have) || w != "*" && w != have[i] {
			return false
		}
	}
	return len(want) == len(have)
}

func TestNamesAreValidated(t *testing.T) {
	for _, n := range []Names{{}, {Instance: "a-B_9"}, {Prefix: "video"}, {Prefix: "a.b.c.d"}, {Instance: "x", Prefix: "y"}, {Prefix: "vidbells"}} {
		if err := n.Validate(); err != nil {
			t.Errorf("%+v: %v", n, err)
		}
	}
	for _, n := range []Names{
		{Instance: "a.b"},
		{Instance: "a b"},
		{Instance: ">"},
		{Instance: strings.Repeat("a", 33)},
		{Instance: "é"},
		{Prefix: "a..b"},
		{Prefix: ".a"},
		{Prefix: "a."},
		{Prefix: "*"},
		{Prefix: ">"},
		{Prefix: "a b"},
		{Prefix: "$JS"},
		{Prefix: "a.b.c.d.e"},
		{Prefix: "vidbell"},
		{Prefix: "vidbell.x"},
		{Prefix: "vidbell-x.append"},
		{Instance: "x", Prefix: "vidbell-x"},
		{Instance: "x", Prefix: "vidbell-y"},
		{Prefix: "_INBOX"},
		{Prefix: "_x.y"},
	} {
		if n.Validate() == nil {
			t.Errorf("%+v is taken", n)
		}
	}
}

func TestInstancesShareNoName(t *testing.T) {
	a, b := Names{}, Names{Instance: "b"}
	names := func(n Names) []string {
		return []string{
			n.Stream(), n.OpsStream(), n.DeadStream(), n.RetryStream(), n.HealthStream(), n.Consumer("e"), n.AppendAll(), n.StateAll(), n.BirthSubject(), n.OpsAll(),
			n.reportAll(), n.DeadAll(), n.RetryAll(), n.HealthAll(),
		}
	}
	taken := map[string]bool{}
	for _, name := range append(names(a), names(b)...) {
		if taken[name] {
			t.Errorf("%s twice", name)
		}
		taken[name] = true
	}
}

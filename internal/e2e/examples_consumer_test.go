package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"vidbell/internal/simulator"
)

// Each consumer has every finished video once, though it is killed and started again in between.
func TestConsumerExamples(t *testing.T) {
	t.Parallel()
	for _, ex := range consumers() {
		t.Run(ex.name, func(t *testing.T) {
			t.Parallel()
			cmd := ex.make(t)
			const token = "e2e-listen-8Gd2Lq"
			rng := seeded(t)
			from, to := newPlatform(t, newWords(rng), 40, 24), newReceiver(t)
			s := deliverTo(from.settings(), to).with("DATA_DIR", t.TempDir(), "NATS_LISTEN", "127.0.0.1:0", "NATS_LISTEN_TOKEN", token,
				"HTTP_LISTEN", freeAddress(t))
			p := start(t, s)
			address := p.subscribeURL()
			p.mustHaveBaseline()
			inbox := filepath.Join(t.TempDir(), "inbox")
			env := []string{"NATS_URL", address, "NATS_USER", "transcoder", "NATS_PASSWORD", token}
			finish := func(n int) {
				for range n {
					from.finish(done)
					from.finish(failed)
				}
			}
			first := startExample(t, cmd, inbox, env...)
			finish(4)
			p.eventually("the first videos at the consumer", func() bool { return len(first.took()) == 4 })
			first.kill()
			finish(4) // while it is away
			second := startExample(t, cmd, inbox, env...)
			p.eventually("what it missed", func() bool { return len(second.took()) == 8 })
			finish(4)
			p.eventually("the last ones", func() bool { return len(second.took()) == 12 })
			if code := second.end(); code != 0 {
				t.Errorf("exit code %d", code)
			}
			settle(t, from, to, p)
			js := streams(t, connect(t, address, nats.Token(token)))
			second.mustHave(readLog(t, js), done)
			consumer, err := js.Consumer(t.Context(), logStream, "transcoder")
			must(t, err)
			// What the first had not acknowledged when it was killed comes again after its ack_wait.
			if info := consumer.CachedInfo(); info.NumAckPending > 4 || info.NumPending != 0 || info.Config.FilterSubject != "video.done.>" {
				t.Errorf("the consumer is left with %+v", info)
			}
		})
	}
}

// The permissions of docs/subscribing.md are enough for vidbell and for a subscriber, and are not more.
func TestDocumentedPermissions(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "subscribing.md"))
	must(t, err)
	_, rest, ok := strings.Cut(string(text), "<!-- permissions -->\n```\n")
	if !ok {
		t.Fatal("no permissions in the document")
	}
	conf, _, _ := strings.Cut(rest, "```")
	const own, theirs = "e2e_vidbell_3Hs", "e2e_transcoder_9Kd"
	conf = strings.NewReplacer("/var/lib/nats", t.TempDir(), "$VIDBELL_PASSWORD", own, "$TRANSCODER_PASSWORD", theirs).Replace(conf)
	file := filepath.Join(t.TempDir(), "nats.conf")
	must(t, os.WriteFile(file, []byte(conf), 0o600))
	options, err := server.ProcessConfigFile(file)
	must(t, err)
	options.Host, options.Port, options.NoSigs, options.NoLog = "127.0.0.1", server.RANDOM_PORT, true, true
	s, err := server.NewServer(options)
	must(t, err)
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(patience) {
		t.Fatal("the server did not start")
	}
	at := func(user, password string) string {
		return strings.Replace(s.ClientURL(), "://", "://"+user+":"+password+"@", 1)
	}

	from, to := newPlatform(t, simulator.WordsPlain(), 10, 10), newReceiver(t)
	p := start(t, deliverTo(from.settings(), to).with("NATS_URL", at("vidbell", own), "HTTP_LISTEN", freeAddress(t)))
	p.mustHaveBaseline()
	for _, ex := range consumers() {
		t.Run(ex.name, func(t *testing.T) {
			cmd := ex.make(t)
			from.finish(done)
			c := startExample(t, cmd, filepath.Join(t.TempDir(), "inbox"), "NATS_URL", s.ClientURL(), "NATS_USER", "transcoder", "NATS_PASSWORD", theirs)
			eventually(t, "a finished video at the consumer", func() bool { return len(c.took()) > 0 })
			if code := c.end(); code != 0 {
				t.Errorf("exit code %d", code)
			}
			js := streams(t, connect(t, at("vidbell", own)))
			must(t, js.DeleteConsumer(t.Context(), logStream, "transcoder")) // the next one begins anew
		})
	}

	refusals := make(chan error, 100)
	nc := connect(t, at("transcoder", theirs), nats.CustomInboxPrefix("_INBOX.transcoder"),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refusals <- err }))
	for _, subject := range []string{
		"video.done.default.VI1", "vidbell.append.done.default.VI1", "vidbell.state.default.meta", "$JS.API.STREAM.PURGE.VIDEOS",
		"$JS.API.STREAM.DELETE.VIDEOS", "$JS.API.STREAM.MSG.GET.VIDEOS", "$JS.API.CONSUMER.CREATE.VIDEOS.other.video.done.>",
		"$JS.API.CONSUMER.CREATE.VIDEOS.transcoder", "$JS.API.CONSUMER.CREATE.VIDEOS.transcoder.vidbell.state.>",
		"$JS.API.CONSUMER.DURABLE.CREATE.VIDEOS.transcoder", "$JS.API.CONSUMER.MSG.NEXT.VIDEOS.vidbell-x", "$JS.ACK.VIDEOS.vidbell-x.1.1.1.1.1",
	} {
		mustBeRefused(t, nc, refusals, subject)
	}
	settle(t, from, to, p)
}

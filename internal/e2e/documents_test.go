package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"vidbell/internal/simulator"
	wire "vidbell/notify/event"
)

// headerSchemas reads the headers out of docs/asyncapi.yaml.
func headerSchemas(t *testing.T) (onNATS, inWebhooks *jsonschema.Schema) {
	t.Helper()
	file, err := os.ReadFile(filepath.Join("..", "..", "docs", "asyncapi.yaml"))
	must(t, err)
	var document map[string]any
	must(t, yaml.Unmarshal(file, &document))
	text, err := json.Marshal(document)
	must(t, err)
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	must(t, err)
	c := jsonschema.NewCompiler()
	must(t, c.AddResource("urn:asyncapi", parsed))
	onNATS, err = c.Compile("urn:asyncapi#/components/schemas/natsHeaders")
	must(t, err)
	inWebhooks, err = c.Compile("urn:asyncapi#/components/schemas/webhookHeaders")
	must(t, err)
	return onNATS, inWebhooks
}

// flat is a header as the schemas describe one: a text for each name.
func flat(h map[string][]string, name func(string) string) map[string]any {
	all := map[string]any{}
	for key, values := range h {
		all[name(key)] = strings.Join(values, ",")
	}
	return all
}

func asIs(name string) string { return name }

// What the documents say of messages and requests holds for the ones that are sent, by the ways that subscribers have.
func TestDocumentsSayWhatIsSent(t *testing.T) {
	t.Parallel()
	onNATS, inWebhooks := headerSchemas(t)
	bodies, err := jsonschema.NewCompiler().Compile(filepath.Join("..", "..", "docs", "schemas", "event.json"))
	must(t, err)
	check := func(where string, headers map[string]any, want *jsonschema.Schema, body []byte) wire.Any {
		if err := want.Validate(headers); err != nil {
			t.Errorf("headers %s: %v", where, err)
		}
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
		must(t, err)
		if err := bodies.Validate(v); err != nil {
			t.Errorf("%s: %v\n%s", where, err, body)
		}
		e, err := wire.Parse(body)
		if err != nil {
			t.Errorf("%s: %v", where, err)
		}
		return e
	}

	var mu sync.Mutex
	hooked := map[string]bool{} // types
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		e := check("of a webhook", flat(r.Header, strings.ToLower), inWebhooks, body)
		mu.Lock()
		defer mu.Unlock()
		hooked[e.Type] = true
	}))
	t.Cleanup(hook.Close)

	from, secret := newPlatform(t, simulator.WordsPlain(), 10, 4), newReceiver(t).secret
	s := from.settings().with("DATA_DIR", t.TempDir(), "NATS_LISTEN", "127.0.0.1:0", "HTTP_LISTEN", freeAddress(t),
		"WEBHOOK_URL", hook.URL+"/hooks", "WEBHOOK_SECRET", secret, "WEBHOOK_EVENTS", "*")
	o := operated{process: start(t, s), platform: from}
	nc := connect(t, o.subscribeURL())
	videos, ops := listen(t, nc, wire.Names{}.Videos(wire.Filter{})), listen(t, nc, wire.Names{}.Ops(""))
	told := func(kind string) bool {
		return slices.ContainsFunc(append(videos.seen(), ops.seen()...), func(m *nats.Msg) bool {
			at, err := wire.Names{}.ParseSubject(m.Subject)
			return err == nil && at.Type == kind
		})
	}
	happens := func(kind string) {
		t.Helper()
		o.eventually(kind, func() bool { return told(kind) })
	}
	o.mustHaveBaseline()
	o.endpoint = o.only().Name
	from.finish(done)
	happens(wire.TypeDone)
	from.finish(failed)
	happens(wire.TypeFailed)
	from.upload(done, 2*time.Second)
	happens(wire.TypeProcessing)
	must(t, from.sim.Fail(simulator.Fault{Kind: simulator.FaultCode, Code: "0003", Times: -1}))
	happens(wire.TypeSourceDegraded)
	from.sim.ClearFaults()
	happens(wire.TypeSourceRecovered)
	o.command(exitOK, "endpoints", "disable", o.endpoint, "--reason", "it moves on Friday")
	happens(wire.TypeEndpointDisabled)
	o.command(exitOK, "endpoints", "enable", o.endpoint)
	happens(wire.TypeEndpointRecovered)
	for _, kind := range wire.Types() {
		o.command(exitOK, "send-test", o.endpoint, "--type", kind)
	}

	for _, m := range append(videos.seen(), ops.seen()...) {
		mustBeAt(t, m.Subject, check("of a subscription", flat(m.Header, asIs), onNATS, m.Data))
	}
	for stream, filter := range map[string]string{
		wire.Names{}.Stream(): wire.Names{}.Videos(wire.Filter{}), wire.Names{}.OpsStream(): wire.Names{}.Ops(""),
	} {
		consumer, err := streams(t, nc).OrderedConsumer(t.Context(), stream, jetstream.OrderedConsumerConfig{FilterSubjects: []string{filter}})
		must(t, err)
		batch, err := consumer.FetchNoWait(100)
		must(t, err)
		n := 0
		for m := range batch.Messages() {
			mustBeAt(t, m.Subject(), check("of a consumer", flat(m.Headers(), asIs), onNATS, m.Data()))
			n++
		}
		if must(t, batch.Error()); n == 0 {
			t.Errorf("%s holds nothing", stream)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	for _, kind := range wire.Types() {
		if !hooked[kind] {
			t.Errorf("no webhook of %s was seen", kind)
		}
	}
}

// mustBeAt holds an event to its subject.
func mustBeAt(t *testing.T, subject string, e wire.Any) {
	t.Helper()
	at, err := wire.Names{}.ParseSubject(subject)
	must(t, err)
	if at.Type != e.Type {
		t.Errorf("%s is at %s", e.Type, subject)
	}
}

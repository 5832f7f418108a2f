package e2e

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// cluster is the three NATS servers of deploy/compose.cluster.yaml: their configuration, with addresses and folders of this machine.
type cluster struct {
	t       *testing.T
	servers []*server.Server
	urls    []string
	seed    string // file with the nkey of vidbell
	keys    nkeys.KeyPair
}

// startCluster tries other ports when another test has taken one meanwhile.
func startCluster(t *testing.T) *cluster {
	t.Helper()
	for range 3 {
		if c := tryCluster(t); c != nil {
			return c
		}
	}
	t.Fatal("the cluster does not start")
	return nil
}

func tryCluster(t *testing.T) *cluster {
	t.Helper()
	text, err := os.ReadFile("../../deploy/nats/cluster.conf")
	must(t, err)
	c := &cluster{t: t}
	c.keys, err = nkeys.CreateUser()
	must(t, err)
	public, err := c.keys.PublicKey()
	must(t, err)
	seed, err := c.keys.Seed()
	must(t, err)
	dir := t.TempDir()
	c.seed = filepath.Join(dir, "nats-nkey")
	must(t, os.WriteFile(c.seed, seed, 0o600))
	auth := fmt.Sprintf("VIDBELL: %q\nROUTES: %q\n", public, natsPassword) // as the head of compose.cluster.yaml makes it
	var clients, routes []string
	for i := range 3 {
		clients, routes = append(clients, freeAddress(t)), append(routes, freeAddress(t))
		auth += fmt.Sprintf("ROUTE_%d: \"nats://routes:%s@%s\"\n", i+1, natsPassword, routes[i])
	}
	must(t, os.WriteFile(filepath.Join(dir, "auth.conf"), []byte(auth), 0o600))
	for i := range 3 {
		conf := here(t, string(text), clients[i], routes[i], fmt.Sprintf("nats-%d", i+1))
		path := filepath.Join(dir, fmt.Sprintf("nats-%d.conf", i+1))
		must(t, os.WriteFile(path, []byte(conf), 0o600))
		if !c.start(path) {
			return nil
		}
		c.urls = append(c.urls, "nats://"+clients[i])
	}
	eventually(t, "a leader of the cluster", func() bool {
		for _, s := range c.servers {
			if s.JetStreamIsLeader() {
				return true
			}
		}
		return false
	})
	return c
}

// here replaces what is of the containers. What it does not find is no longer in the file, and the test has to follow.
func here(t *testing.T, conf, client, route, name string) string {
	t.Helper()
	for _, pair := range [][2]string{
		{"$SERVER_NAME", name}, {"0.0.0.0:4222", client}, {"0.0.0.0:6222", route}, {`http: "127.0.0.1:8222"`, ""}, {`"/data"`, fmt.Sprintf("%q", t.TempDir())},
	} {
		if !strings.Contains(conf, pair[0]) {
			t.Fatalf("cluster.conf has no %s", pair[0])
		}
		conf = strings.ReplaceAll(conf, pair[0], pair[1])
	}
	return conf
}

func (c *cluster) start(path string) bool {
	c.t.Helper()
	options, err := server.ProcessConfigFile(path)
	must(c.t, err)
	options.NoSigs, options.NoLog = true, true
	s, err := server.NewServer(options)
	must(c.t, err)
	s.Start()
	c.servers = append(c.servers, s)
	c.t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	return s.ReadyForConnections(10 * time.Second)
}

// signed lets a test in as vidbell.
func (c *cluster) signed() nats.Option {
	public, err := c.keys.PublicKey()
	must(c.t, err)
	return nats.Nkey(public, c.keys.Sign)
}

// Two vidbells on the cluster of compose.cluster.yaml: one server goes, then the other vidbell, and every change is told once.
func TestComposeCluster(t *testing.T) {
	t.Parallel()
	rng, c := seeded(t), startCluster(t)
	from, to := newPlatform(t, newWords(rng), 60, 12), newReceiver(t)
	settings := deliverTo(from.settings(), to).with("NATS_URL", strings.Join(c.urls, ","), "NATS_NKEY", c.seed, "NATS_REPLICAS", "3")
	first, second := start(t, settings.with("HTTP_LISTEN", freeAddress(t))), start(t, settings.with("HTTP_LISTEN", freeAddress(t)))
	first.mustBeReady()
	second.mustBeReady()
	eventually(t, "a complete baseline", func() bool {
		const last = "vidbell_sweep_last_complete_timestamp_seconds"
		return first.metric(last) > 0 && second.metric(last) > 0
	})
	for range 4 {
		from.finish(ending(rng))
	}
	first.eventually("what moved", func() bool { return to.missing(from.truth()) == 0 })
	c.servers[0].Shutdown()
	for range 4 {
		from.finish(ending(rng))
	}
	first.eventually("what moved with a server gone", func() bool { return to.missing(from.truth()) == 0 })
	first.stop()
	for from.finish(ending(rng)) {
	}
	settle(t, from, to, second)
	second.stop()
	js := streams(t, connect(t, c.urls[1], c.signed()))
	ledger{from.truth(), readLog(t, js), to.all(), readDead(t, js)}.check(t)
}

// A stranger, and one with the password of the routes, are not let in as clients.
func TestComposeClusterLetsNobodyElseIn(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	address, err := url.Parse(c.urls[0])
	must(t, err)
	for name, who := range map[string]*url.Userinfo{"nobody": nil, "a route": url.UserPassword("routes", natsPassword)} {
		address.User = who
		if nc, err := nats.Connect(address.String()); err == nil {
			nc.Close()
			t.Errorf("%s is let in", name)
		}
	}
}

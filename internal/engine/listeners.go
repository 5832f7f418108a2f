package engine

import (
	"crypto/subtle"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/nats-io/nats-server/v2/server"
)

// gate decides who may connect to the embedded server, and as what.
type gate struct {
	own         string
	listeners   string
	permissions atomic.Pointer[server.Permissions]
}

func newGate(own string, cfg Config) *gate {
	g := &gate{own: own, listeners: cfg.ListenToken}
	g.permissions.Store(permissions(cfg))
	return g
}

// Check lets this process do everything, and others read.
func (g *gate) Check(c server.ClientAuthentication) bool {
	given := c.GetOpts()
	if equal(given.Token, g.own) {
		c.RegisterUser(&server.User{Username: "vidbell"})
		return true
	}
	if g.listeners != "" && !equal(given.Token, g.listeners) && !equal(given.Password, g.listeners) {
		return false
	}
	c.RegisterUser(&server.User{Username: "subscriber", Permissions: g.permissions.Load()})
	return true
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// permissions are what a subscriber needs, from a plain subscription to a durable consumer, and no more. They keep what an
// honest client could do by mistake from happening. They are no wall against one that means harm: it can have the server
// itself send a message to any subject, as the answer to a request or through a push consumer.
func permissions(cfg Config) *server.Permissions {
	streams := cfg.Streams
	if len(streams) == 0 {
		streams = []string{"*"}
	}
	publish := []string{"$JS.API.INFO", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.LIST", "$JS.ACK.>", "$JS.FC.>"}
	for _, stream := range streams {
		publish = append(publish,
			"$JS.API.STREAM.INFO."+stream, "$JS.API.STREAM.MSG.GET."+stream,
			"$JS.API.DIRECT.GET."+stream, "$JS.API.DIRECT.GET."+stream+".>",
			// Not CREATE.<stream> alone: there the name stands in the body, where no permission sees it.
			"$JS.API.CONSUMER.CREATE."+stream+".>", "$JS.API.CONSUMER.DURABLE.CREATE."+stream+".*",
			"$JS.API.CONSUMER.NAMES."+stream, "$JS.API.CONSUMER.LIST."+stream, "$JS.API.CONSUMER.INFO."+stream+".*",
			"$JS.API.CONSUMER.MSG.NEXT."+stream+".*", "$JS.API.CONSUMER.DELETE."+stream+".*",
		)
	}
	var denied []string
	for _, stream := range slices.Sorted(maps.Keys(cfg.Consumers)) {
		for _, name := range cfg.Consumers[stream] {
			denied = append(denied, consumerSubjects(stream+"."+name)...)
		}
	}
	return &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: publish, Deny: denied},
		Subscribe: &server.SubjectPermission{Allow: append([]string{"_INBOX.>", "$JS.EVENT.ADVISORY.>"}, cfg.Subjects...)},
	}
}

// consumerSubjects are the ways to create, change, read or end a consumer, and to answer for its messages.
func consumerSubjects(at string) []string {
	return []string{
		"$JS.API.CONSUMER.CREATE." + at, "$JS.API.CONSUMER.CREATE." + at + ".>", "$JS.API.CONSUMER.DURABLE.CREATE." + at,
		"$JS.API.CONSUMER.MSG.NEXT." + at, "$JS.API.CONSUMER.DELETE." + at,
		"$JS.ACK." + at + ".>", "$JS.ACK.*.*." + at + ".>", // the second is the form with domain and account
	}
}

// Command receiver takes the webhooks of vidbell: it verifies them, stores them, and answers.
//
//	go run ./docs/examples/go/receiver
//
// VIDBELL_WEBHOOK_SECRET, LISTEN (127.0.0.1:8000), and INBOX, the folder where events are stored: ./inbox.
package main

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"regexp"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "receiver:", err)
		os.Exit(1)
	}
}

func run() error {
	secret := os.Getenv("VIDBELL_WEBHOOK_SECRET")
	// The library takes an empty secret, and then anyone can forge.
	if key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_")); err != nil || len(key) < 24 {
		return errors.New("VIDBELL_WEBHOOK_SECRET: want whsec_ and base64 of 24 bytes or more")
	}
	webhook, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		return err
	}
	inbox, err := openInbox(cmp.Or(os.Getenv("INBOX"), "inbox"))
	if err != nil {
		return err
	}
	r := receiver{webhook: webhook, inbox: inbox}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /hooks/videos", r.receive)
	server := &http.Server{Addr: cmp.Or(os.Getenv("LISTEN"), "127.0.0.1:8000"), Handler: mux, ReadTimeout: 10 * time.Second}
	return server.ListenAndServe()
}

type receiver struct {
	webhook *standardwebhooks.Webhook
	inbox   *os.Root
}

var eventID = regexp.MustCompile(`^evt_[A-Za-z0-9_-]{1,64}$`)

// receive answers only when the event is stored: an answer means that vidbell may forget it. The work comes later, from the inbox.
func (r receiver) receive(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, 1<<20)) // the raw body: the signature is over its bytes
	if err != nil {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	id := req.Header.Get("webhook-id")
	if r.webhook.Verify(body, req.Header) != nil || !eventID.MatchString(id) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if err := r.store(id, body); err != nil {
		fmt.Fprintln(os.Stderr, id, err)
		w.WriteHeader(http.StatusServiceUnavailable) // it is sent again
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// store keeps an event once: every attempt, and every replay, has the same id.
func (r receiver) store(id string, body []byte) error {
	file := id + ".json"
	if _, err := r.inbox.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		return err // stored before, or unknown
	}
	draft := id + "." + rand.Text() + ".new"
	f, err := r.inbox.OpenFile(draft, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(body)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	fmt.Println(id, "stored")
	return r.inbox.Rename(draft, file)
}

// openInbox opens a folder that no name leads out of.
func openInbox(dir string) (*os.Root, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	return os.OpenRoot(dir)
}

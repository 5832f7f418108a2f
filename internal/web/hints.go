package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"golang.org/x/time/rate"

	"vidbell/internal/config"
)

// Bounds of the hint page. A hint costs at most one lookup, and lookups have their own quota; these keep a flood off everything
// before that. Those without the secret have a bound of their own, so that they cannot use up that of the platform.
const (
	hintsPerSecond   = 20
	hintsBurst       = 100
	guessesPerSecond = 5
	guessesBurst     = 20
	maxHintBytes     = 64 << 10
	retrySeconds     = "1" // in which both bounds let some through again
)

// Hinter looks at a video sooner than it would have. Hint must not block; it returns at how many sources the hint was taken
// up. The empty id asks for a look at the newest videos.
type Hinter interface {
	Hint(videoNo string) int
}

// hintResult is what became of a call of the hint page. The set is closed: it is a label.
type hintResult string

const (
	hintAccepted  hintResult = "accepted"  // a source looks
	hintIgnored   hintResult = "ignored"   // none does: it is about to look already, has enough to look at, or is not ready yet
	hintInvalid   hintResult = "invalid"   // the body is none of the platform's
	hintThrottled hintResult = "throttled" // too many at once, from whoever
	hintForbidden hintResult = "forbidden" // another secret
)

func hintResults() []hintResult {
	return []hintResult{hintAccepted, hintIgnored, hintInvalid, hintThrottled, hintForbidden}
}

// HintsConfig is what the hint page needs.
type HintsConfig struct {
	Secret     config.Secret // last part of its address
	Hinter     Hinter
	Registerer prometheus.Registerer
}

// Hints is the page that takes the platform's callbacks. They are unsigned, and may be early, doubled or forged: all that a
// callback can do is to have a video looked at.
type Hints struct {
	digest  [sha256.Size]byte
	hinter  Hinter
	hints   *rate.Limiter
	guesses *rate.Limiter
	results *prometheus.CounterVec
}

// NewHints checks the configuration. All results are counted from zero on.
func NewHints(cfg HintsConfig) (*Hints, error) {
	if !cfg.Secret.IsSet() || cfg.Hinter == nil {
		return nil, errors.New("web: Secret and Hinter are required")
	}
	h := &Hints{
		digest: sha256.Sum256([]byte(cfg.Secret.Reveal())), hinter: cfg.Hinter,
		hints: rate.NewLimiter(hintsPerSecond, hintsBurst), guesses: rate.NewLimiter(guessesPerSecond, guessesBurst),
		results: promauto.With(cfg.Registerer).NewCounterVec(prometheus.CounterOpts{
			Name: "vidbell_hints_total", Help: "Callbacks of the platform to the hint page, by what became of them.",
		}, []string{"result"}),
	}
	for _, result := range hintResults() {
		h.results.WithLabelValues(string(result))
	}
	return h, nil
}

// HandleHints adds the hint page. It asks for no token and answers under any name, since the platform can send no header and
// calls by a public name; the secret in its address stands for both. It is not listed anywhere, and to those without the
// secret it is a page that does not exist, whatever the method.
func (s *Server) HandleHints(h *Hints) { s.mux.Handle("/v1/hints/{secret}", h) }

// ServeHTTP answers 202 to what can be a callback of the platform.
func (h *Hints) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	given := sha256.Sum256([]byte(r.PathValue("secret"))) // equal lengths, so that the time tells nothing
	if subtle.ConstantTimeCompare(given[:], h.digest[:]) != 1 {
		h.refuseGuess(w)
		return
	}
	switch {
	case r.Method != http.MethodPost:
		h.count(hintInvalid)
		notAllowed(w, http.MethodPost)
	case !h.hints.Allow():
		h.throttle(w)
	default:
		h.take(w, r)
	}
}

// refuseGuess compares even what comes too often: nobody guesses 16 characters, but anybody could have the true secret
// refused if wrong ones were counted against it.
func (h *Hints) refuseGuess(w http.ResponseWriter) {
	if !h.guesses.Allow() {
		h.throttle(w)
		return
	}
	h.count(hintForbidden)
	notFound(w)
}

func (h *Hints) throttle(w http.ResponseWriter) {
	h.count(hintThrottled)
	w.Header().Set("Retry-After", retrySeconds)
	Problem(w, http.StatusTooManyRequests, "too many hints at once")
}

func (h *Hints) take(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxHintBytes))
	if err != nil {
		h.count(hintInvalid)
		refuseBody(w, err)
		return
	}
	videoNo, err := parseHint(r.Header.Get("Content-Type"), body)
	if err != nil {
		h.count(hintInvalid)
		Problem(w, http.StatusBadRequest, err.Error())
		return
	}
	result, sources := hintIgnored, h.hinter.Hint(videoNo)
	if sources > 0 {
		result = hintAccepted
	}
	h.count(result)
	writeJSON(w, "application/json", http.StatusAccepted, struct {
		Result  hintResult `json:"result"`
		Sources int        `json:"sources"`
	}{result, sources})
}

func refuseBody(w http.ResponseWriter, err error) {
	var large *http.MaxBytesError
	switch err = unread(err); {
	case errors.As(err, &large):
		Problem(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d KiB", maxHintBytes>>10))
	case errors.Is(err, errSlowBody):
		Problem(w, http.StatusRequestTimeout, err.Error())
	default:
		Problem(w, http.StatusBadRequest, err.Error())
	}
}

func (h *Hints) count(r hintResult) { h.results.WithLabelValues(string(r)).Inc() }

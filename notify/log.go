package notify

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/zap"
)

const (
	headerContentType = "Content-Type"
	headerRollup      = "Nats-Rollup"
	headerExpected    = "Nats-Expected-Last-Subject-Sequence"
	headerExpectedOf  = "Nats-Expected-Last-Subject-Sequence-Subject"
)

const (
	// birthTries and birthWait bound the wait for a birth mark that another process has just written.
	birthTries = 20
	birthWait  = 100 * time.Millisecond
	// maxForeignBirths bounds the search for the birth mark among what others wrote to its subject.
	maxForeignBirths = 1000
)

var (
	birthPattern = regexp.MustCompile(`^[A-Z2-7]{26,}$`) // what rand.Text returns
	errNoBirth   = errors.New("others have written to its subject, and it is not there")
)

// ErrConflict means that the log holds something newer than the state a result was made from. Bring the state up to date
// and decide again.
var ErrConflict = errors.New("the log has moved on")

// LogConfig says how to open the log.
type LogConfig struct {
	JetStream jetstream.JetStream
	Names     Names
	// Replicas are the copies of the streams on a cluster; 0 means 1. A stream that has more keeps them.
	Replicas   int
	Logger     *zap.Logger
	Registerer prometheus.Registerer
	// Tracer makes the spans of appends and events; nil for none.
	Tracer trace.Tracer
}

// Log is the stream of all events, and of the state that is no news. It is safe for concurrent use by different sources.
type Log struct {
	js      jetstream.JetStream
	names   Names
	log     *zap.Logger
	stream  jetstream.Stream
	metrics *logMetrics
	tracer  trace.Tracer
	flights chan struct{} // a slot for each batch under way

	replicas   int
	rebuilding sync.Mutex

	mu         sync.Mutex
	birth      string
	pages      map[string]int // baseline pages stored, by source
	tails      map[string]*tail
	top        uint64               // newest sequence that this process stored
	seen       uint64               // newest sequence that it has read
	foldMarks  map[string]uint64    // sequence of each source's newest fold mark that its state is from
	foldLooked map[string]time.Time // when that was last looked at
	refolds    map[string][]purge   // folds of this process that the source's state does not know of yet
	foldedTo   uint64
	atStep     func(string) error // of tests
	// confirmed is when the birth mark was last looked at by Follow.
	confirmed time.Time
	// births are the birth marks of the logs that the sources' states are from.
	births map[string]string
	// foreign is the last message on a subject that is none of ours, by the subject as an append guards it.
	foreign map[string]uint64
}

// OpenLog makes the streams where they are missing, checks them where they exist, and reads the log's birth mark. It changes
// nothing in a log that belongs to other settings or to a newer vidbell: it says so.
func OpenLog(ctx context.Context, cfg LogConfig) (*Log, error) {
	if cfg.JetStream == nil {
		return nil, errors.New("open the log: no JetStream given")
	}
	if err := cfg.Names.Validate(); err != nil {
		return nil, err
	}
	if cfg.Logger == nil {
		cfg.Logger = zap.NewNop()
	}
	if cfg.Tracer == nil {
		cfg.Tracer = noop.Tracer{}
	}
	l := &Log{
		js: cfg.JetStream, names: cfg.Names, log: cfg.Logger, flights: make(chan struct{}, maxFlights), pages: make(map[string]int),
		tails: make(map[string]*tail), foreign: make(map[string]uint64), births: make(map[string]string),
		foldMarks: make(map[string]uint64), foldLooked: make(map[string]time.Time), refolds: make(map[string][]purge), replicas: max(1, cfg.Replicas),
		tracer: cfg.Tracer,
	}
	var err error
	if l.stream, err = openStream(ctx, l.js, l.streamConfig(l.replicas)); err != nil {
		return nil, err
	}
	if _, err = openStream(ctx, l.js, l.opsConfig(l.replicas)); err != nil {
		return nil, err
	}
	if l.birth, err = l.readBirth(ctx); err != nil {
		return nil, err
	}
	l.metrics = newLogMetrics(cfg.Registerer) // last: who could not open the log may try again
	return l, nil
}

// readBirth returns the log's birth mark, and makes it in a new log. Of two processes that try, one wins.
func (l *Log) readBirth(ctx context.Context) (string, error) {
	for range birthTries {
		birth, last, err := l.findBirth(ctx)
		if err != nil {
			return "", fmt.Errorf("read the birth mark of %s: %w", l.names.Stream(), err)
		}
		if birth != "" {
			return birth, nil
		}
		won, err := l.writeBirth(ctx, last)
		if err != nil {
			return "", fmt.Errorf("write the birth mark of %s: %w", l.names.Stream(), err)
		}
		if won {
			continue
		}
		select { // the winner's mark may be on its way to the replica that we read
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(birthWait):
		}
	}
	return "", fmt.Errorf("read the birth mark of %s: it was written and is not there", l.names.Stream())
}

// findBirth returns the first birth mark, empty when there is none, and the last sequence seen on its subject. Others may have
// written there, before it or after.
func (l *Log) findBirth(ctx context.Context) (birth string, last uint64, err error) {
	for range maxForeignBirths {
		m, err := l.stream.GetMsg(ctx, last+1, jetstream.WithGetMsgSubject(l.names.BirthSubject()))
		if isMissing(err) {
			return "", last, nil
		}
		if err != nil {
			return "", 0, err
		}
		if birthPattern.Match(m.Data) {
			return string(m.Data), m.Sequence, nil
		}
		last = m.Sequence
	}
	return "", last, errNoBirth
}

func isMissing(err error) bool { return errors.Is(err, jetstream.ErrMsgNotFound) }

// writeBirth writes a birth mark behind what is there.
func (l *Log) writeBirth(ctx context.Context, last uint64) (won bool, err error) {
	msg := nats.NewMsg(l.names.BirthSubject())
	msg.Data = []byte(rand.Text())
	msg.Header.Set(headerExpected, strconv.FormatUint(last, 10))
	_, err = l.js.PublishMsg(ctx, msg)
	if isConflict(err) {
		return false, nil
	}
	return err == nil, err
}

// confirmBirth returns the birth mark, and notices a log that was lost and made again by another process while this one was at
// work. It returns ErrLost for one that has none any more.
func (l *Log) confirmBirth(ctx context.Context) (string, error) {
	birth, _, err := l.findBirth(ctx)
	if err != nil {
		return "", fmt.Errorf("read the birth mark of %s: %w", l.names.Stream(), missed(err))
	}
	if birth == "" {
		return "", fmt.Errorf("read the birth mark of %s: %w", l.names.Stream(), ErrLost)
	}
	l.renew(birth)
	return birth, nil
}

// identity returns the birth mark.
func (l *Log) identity() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.birth
}

package notify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// opsAge and opsBytes bound the stream of events about sources and endpoints.
	opsAge   = 30 * 24 * time.Hour
	opsBytes = 64 << 20
	// dedupWindow only catches a repeated publish that compare-and-set would refuse too.
	dedupWindow = 2 * time.Minute
)

// streamConfig is the log: everything is kept. Reads go to the stream's leader (no AllowDirect): a follower may be behind,
// and after a conflict we must see what we met.
func (l *Log) streamConfig(replicas int) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: l.names.Stream(), Description: "vidbell: video events, and the state of sources",
		Subjects:           []string{l.names.AppendAll(), l.names.StateAll(), l.names.BirthSubject()},
		SubjectTransform:   &jetstream.SubjectTransformConfig{Source: l.names.AppendAll(), Destination: l.names.AllEvents()},
		RePublish:          &jetstream.RePublish{Source: l.names.AllEvents(), Destination: l.names.AllEvents()},
		Storage:            jetstream.FileStorage,
		Replicas:           replicas,
		Duplicates:         dedupWindow,
		AllowAtomicPublish: true, AllowRollup: true,
	}
}

func (l *Log) opsConfig(replicas int) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: l.names.OpsStream(), Description: "vidbell: health of sources and endpoints",
		Subjects:         []string{l.names.reportAll()},
		SubjectTransform: &jetstream.SubjectTransformConfig{Source: l.names.reportAll(), Destination: l.names.OpsAll()},
		RePublish:        &jetstream.RePublish{Source: l.names.OpsAll(), Destination: l.names.OpsAll()},
		Storage:          jetstream.FileStorage, Replicas: replicas, Duplicates: dedupWindow,
		MaxAge: opsAge, MaxBytes: opsBytes, Discard: jetstream.DiscardOld, AllowDirect: true,
	}
}

// UnfitError means that a stream cannot be what vidbell needs, and that waiting does not mend it. It says what to do.
type UnfitError struct {
	Stream  string
	Problem string
}

// Error is the problem.
func (e *UnfitError) Error() string { return e.Problem }

func unfit(stream, format string, args ...any) error {
	return &UnfitError{Stream: stream, Problem: fmt.Sprintf(format, args...)}
}

// CheckStreams holds streams that exist against what OpenLog would ask of them, and changes nothing. It returns an *UnfitError.
func CheckStreams(names Names, have ...jetstream.StreamConfig) error {
	l := &Log{names: names}
	for _, want := range []jetstream.StreamConfig{l.streamConfig(1), l.opsConfig(1)} {
		for _, h := range have {
			if h.Name != want.Name {
				continue
			}
			if err := checkStream(h, want); err != nil {
				return err
			}
		}
	}
	return nil
}

// Codes of a server that cannot keep so many copies: one that stands alone, or a small cluster.
const codeReplicasNotSupported = 10074

// tooMuch tells what the settings ask too much of.
func tooMuch(stream string, replicas int, err error) error {
	var api *jetstream.APIError
	if errors.As(err, &api) && api.ErrorCode == codeReplicasNotSupported {
		return unfit(stream, "stream %s cannot have %d replicas, the server is no cluster: set VIDBELL_NATS_REPLICAS to 1", stream, replicas)
	}
	return err
}

// openStream makes a stream, or checks that the one that is there is fit for use and mends what may be mended.
func openStream(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig) (jetstream.Stream, error) {
	s, err := js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		s, err = js.CreateStream(ctx, want)
		if err == nil {
			return s, nil
		}
		if !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			return nil, fmt.Errorf("make stream %s: %w", want.Name, tooMuch(want.Name, want.Replicas, err))
		}
		s, err = js.Stream(ctx, want.Name) // another process was faster
	}
	if err != nil {
		return nil, fmt.Errorf("open stream %s: %w", want.Name, err)
	}
	have := s.CachedInfo().Config
	if err := checkStream(have, want); err != nil {
		return nil, err
	}
	mended := have
	mended.Replicas = max(have.Replicas, want.Replicas)
	mended.AllowAtomicPublish = have.AllowAtomicPublish || want.AllowAtomicPublish
	mended.AllowRollup = have.AllowRollup || want.AllowRollup
	if mended.Replicas == have.Replicas && mended.AllowAtomicPublish == have.AllowAtomicPublish && mended.AllowRollup == have.AllowRollup {
		return s, nil
	}
	if s, err = js.UpdateStream(ctx, mended); err != nil {
		return nil, fmt.Errorf("set stream %s to %d replicas, atomic batches and rollup: %w", want.Name, mended.Replicas,
			tooMuch(want.Name, mended.Replicas, err))
	}
	return s, nil
}

// checkStream refuses a stream that is not ours, and one that was set to lose what we rely on.
func checkStream(have, want jetstream.StreamConfig) error {
	if have.SubjectTransform == nil || have.RePublish == nil || !slices.Equal(have.Subjects, want.Subjects) {
		return unfit(want.Name, "stream %s exists and is not ours: it listens to %v; set VIDBELL_INSTANCE to use another name", want.Name, have.Subjects)
	}
	if got := have.SubjectTransform.Destination; got != want.SubjectTransform.Destination || have.RePublish.Destination != got {
		return unfit(want.Name, "stream %s holds events under %s, not %s: set VIDBELL_SUBJECT_PREFIX back, or use another VIDBELL_INSTANCE",
			want.Name, got, want.SubjectTransform.Destination)
	}
	if want.MaxAge > 0 {
		return nil // the stream of reports is bounded, and its operator may bound it otherwise
	}
	switch {
	case have.MaxAge > 0:
		return losing(want.Name, "after "+have.MaxAge.String(), "max_age")
	case have.Retention != jetstream.LimitsPolicy:
		return losing(want.Name, "once it is acknowledged", "retention "+have.Retention.String())
	case have.MaxMsgsPerSubject > 0 && have.Discard == jetstream.DiscardOld:
		return losing(want.Name, "when a video becomes done or failed again", "max_msgs_per_subject")
	case (have.MaxBytes > 0 || have.MaxMsgs > 0) && have.Discard == jetstream.DiscardOld:
		return losing(want.Name, "when it is full", "max_bytes and max_msgs, or set discard to new")
	}
	return nil
}

func losing(stream, when, setting string) error {
	return unfit(stream, "stream %s drops what it holds %s, and it is the state of vidbell: take away its %s", stream, when, setting)
}

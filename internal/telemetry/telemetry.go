package telemetry

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"vidbell/notify/tracing"
)

const (
	// flushGrace bounds what is still exported when vidbell stops.
	flushGrace = 3 * time.Second
	// sayEvery is how often the log says that traces cannot be exported.
	sayEvery = time.Minute
)

// Config says who exports.
type Config struct {
	Version  string // of vidbell
	Instance string // VIDBELL_INSTANCE, "" for none
	Logger   *zap.Logger
}

// Tracing makes the tracers of the parts. Its zero value makes none.
type Tracing struct {
	provider *sdktrace.TracerProvider
	version  string
	log      *zap.Logger
}

// Start begins to export if the environment asks for it. The error is a [SettingError], or what the exporter says to its
// settings. It reaches nobody yet: a collector may come later.
func Start(ctx context.Context, cfg Config) (*Tracing, error) {
	on, problems := Enabled(os.LookupEnv)
	if len(problems) > 0 {
		return nil, problems[0]
	}
	if !on {
		return &Tracing{}, nil
	}
	otel.SetErrorHandler(&complaints{log: cfg.Logger})
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, fmt.Errorf("export traces: %w", err)
	}
	about, err := describe(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("export traces: %w", err)
	}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter), sdktrace.WithResource(about), sdktrace.WithIDGenerator(tracing.Generator{}),
	)
	cfg.Logger.Info("traces are exported")
	return &Tracing{provider: provider, version: cfg.Version, log: cfg.Logger}, nil
}

// describe is what every span says of this process. OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES have the last word.
func describe(ctx context.Context, cfg Config) (*resource.Resource, error) {
	attributes := []attribute.KeyValue{
		attribute.String("service.name", "vidbell"), attribute.String("service.version", cfg.Version),
	}
	if cfg.Instance != "" {
		attributes = append(attributes, attribute.String("service.namespace", cfg.Instance))
	}
	return resource.New(ctx, resource.WithAttributes(attributes...), resource.WithTelemetrySDK(), resource.WithHost(), resource.WithFromEnv())
}

// Tracer returns the tracer of a part, nil when nothing is exported.
func (t *Tracing) Tracer(part string) trace.Tracer {
	if t.provider == nil {
		return nil
	}
	return t.provider.Tracer("vidbell/"+part, trace.WithInstrumentationVersion(t.version))
}

// Close exports what is left, for a bounded time.
func (t *Tracing) Close() {
	if t.provider == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushGrace)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		t.log.Warn("the last traces were not exported", zap.Error(err))
	}
}

// complaints writes what the SDK has to say, once a minute.
type complaints struct {
	log *zap.Logger

	mu    sync.Mutex
	last  time.Time
	times int
}

// Handle is called by the SDK.
func (c *complaints) Handle(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.times++
	if time.Since(c.last) < sayEvery {
		return
	}
	c.log.Warn("traces cannot be exported", zap.Error(err), zap.Int("times", c.times))
	c.last, c.times = time.Now(), 0
}

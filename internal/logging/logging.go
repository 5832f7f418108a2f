package logging

import (
	"fmt"
	"io"
	"os"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"golang.org/x/term"

	"vidbell/internal/config"
	"vidbell/internal/printable"
)

const timeLayout = "2006-01-02T15:04:05.000Z07:00"

// New returns a logger that writes to stderr, and its level, which may be changed at any time. Before the process ends
// call Sync on the logger and ignore its error: terminals and pipes refuse it.
func New(c config.Log) (*zap.Logger, zap.AtomicLevel, error) {
	return build(c, os.Stderr, term.IsTerminal(int(os.Stderr.Fd())), os.Getenv)
}

func build(c config.Log, out io.Writer, terminal bool, getenv func(string) string) (*zap.Logger, zap.AtomicLevel, error) {
	level, err := zap.ParseAtomicLevel(c.Level)
	if err != nil {
		return nil, level, fmt.Errorf("log level: %w", err)
	}
	out = printable.Writer(out)
	core := zapcore.NewCore(encoder(c.Format, terminal, getenv), zapcore.Lock(zapcore.AddSync(out)), level)
	return zap.New(core, zap.ErrorOutput(zapcore.Lock(zapcore.AddSync(out))), zap.AddStacktrace(zap.DPanicLevel)), level, nil
}

func encoder(format config.LogFormat, terminal bool, getenv func(string) string) zapcore.Encoder {
	settings := zap.NewProductionEncoderConfig()
	settings.TimeKey = "time"
	settings.EncodeTime = encodeTime
	settings.EncodeDuration = zapcore.StringDurationEncoder
	if format == config.LogJSON || format != config.LogConsole && !terminal {
		settings.EncodeDuration = zapcore.SecondsDurationEncoder // a number, for machines
		return zapcore.NewJSONEncoder(settings)
	}
	settings.ConsoleSeparator = "  "
	settings.EncodeLevel = zapcore.CapitalLevelEncoder
	if terminal && colour(getenv) {
		settings.EncodeLevel = zapcore.CapitalColorLevelEncoder
	}
	return zapcore.NewConsoleEncoder(settings)
}

func encodeTime(t time.Time, out zapcore.PrimitiveArrayEncoder) {
	out.AppendString(t.UTC().Format(timeLayout))
}

// colour follows no-color.org: any value but the empty one turns it off.
func colour(getenv func(string) string) bool {
	return getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"
}

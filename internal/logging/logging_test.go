package logging

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"vidbell/internal/config"
)

func env(pairs map[string]string) func(string) string {
	return func(name string) string { return pairs[name] }
}

func TestTextFromOutsideCommandsNoTerminal(t *testing.T) {
	for _, format := range []config.LogFormat{config.LogConsole, config.LogJSON} {
		var out bytes.Buffer
		logger, _, err := build(config.Log{Level: "info", Format: format}, &out, true, env(nil))
		if err != nil {
			t.Fatal(err)
		}
		logger.Info("video changed", zap.String("video_no", "a\u009b31m\u202eb\x1b[2J"))
		if got := out.String(); strings.ContainsAny(got, "\u009b\u202e") || !strings.Contains(got, `a\u009b31m\u202eb\u001b[2J`) {
			t.Errorf("%s: %q", format, got)
		}
	}
}

func TestFormats(t *testing.T) {
	const red = "\x1b["
	for _, tc := range []struct {
		sentence string
		format   config.LogFormat
		terminal bool
		env      map[string]string
		json     bool
		colour   bool
	}{
		{"auto on a terminal is for people", config.LogAuto, true, nil, false, true},
		{"auto elsewhere is JSON", config.LogAuto, false, nil, true, false},
		{"JSON may be asked for on a terminal", config.LogJSON, true, nil, true, false},
		{"console without a terminal has no colour", config.LogConsole, false, nil, false, false},
		{"NO_COLOR is honoured", config.LogAuto, true, map[string]string{"NO_COLOR": "0"}, false, false},
		{"a dumb terminal gets no colour", config.LogAuto, true, map[string]string{"TERM": "dumb"}, false, false},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			var out bytes.Buffer
			logger, _, err := build(config.Log{Level: "info", Format: tc.format}, &out, tc.terminal, env(tc.env))
			if err != nil {
				t.Fatal(err)
			}
			logger.Named("poller").Error("list failed", zap.Int("page", 3))
			if got := json.Valid(out.Bytes()); got != tc.json {
				t.Errorf("JSON is %v, want %v: %s", got, tc.json, out.String())
			}
			if got := strings.Contains(out.String(), red); got != tc.colour {
				t.Errorf("colour is %v, want %v: %q", got, tc.colour, out.String())
			}
		})
	}
}

func TestLines(t *testing.T) {
	var out bytes.Buffer
	logger, level, err := build(config.Log{Level: "warn", Format: config.LogJSON}, &out, false, env(nil))
	if err != nil {
		t.Fatal(err)
	}
	logger.Info("hidden")
	level.SetLevel(zap.InfoLevel)
	logger.Info("shown", zap.Duration("took", 1500*time.Millisecond))
	var line struct {
		Level, Time, Msg string
		Took             float64
	}
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	if line.Level != "info" || line.Msg != "shown" || line.Took != 1.5 {
		t.Errorf("line = %+v", line)
	}
	at, err := time.Parse(time.RFC3339, line.Time)
	if err != nil || !strings.HasSuffix(line.Time, "Z") || len(line.Time) != len("2026-11-23T22:04:05.123Z") {
		t.Errorf("time %q: %v", line.Time, err)
	}
	if age := time.Since(at); age < -time.Minute || age > time.Minute {
		t.Errorf("time %q is %v off", line.Time, age)
	}
}

func TestEveryLineIsWritten(t *testing.T) {
	var out bytes.Buffer
	logger, _, err := build(config.Log{Level: "info", Format: config.LogJSON}, &out, false, env(nil))
	if err != nil {
		t.Fatal(err)
	}
	const lines = 1000 // zap's production sampling would drop most of them
	for range lines {
		logger.Info("delivered")
	}
	if got := strings.Count(out.String(), "\n"); got != lines {
		t.Errorf("%d lines, want %d", got, lines)
	}
}

func TestUnknownLevel(t *testing.T) {
	if _, _, err := New(config.Log{Level: "loud"}); err == nil || !strings.Contains(err.Error(), "log level") {
		t.Errorf("New = %v", err)
	}
}

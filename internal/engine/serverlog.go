package engine

import (
	"fmt"
	"strings"
	"sync"

	"go.uber.org/zap"

	"vidbell/internal/printable"
)

// maxWarnings bounds how many of the server's warnings are kept to explain a start that fails.
const maxWarnings = 100

// serverLog hands the server's lines to ours. What it calls notices and warnings is detail here.
type serverLog struct {
	log   *zap.SugaredLogger
	fatal chan string
	once  sync.Once

	mu       sync.Mutex
	warnings []string
}

// newServerLog writes to log, which must not be nil.
func newServerLog(log *zap.Logger) *serverLog {
	return &serverLog{log: log.Named("nats").Sugar(), fatal: make(chan string, 1)}
}

// Noticef is detail.
func (l *serverLog) Noticef(format string, v ...any) { l.log.Debug(line(format, v...)) }

// Warnf is detail, unless it explains why the start fails.
func (l *serverLog) Warnf(format string, v ...any) {
	l.log.Debug(line(format, v...))
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.warnings) < maxWarnings {
		l.warnings = append(l.warnings, strings.TrimSpace(fmt.Sprintf(format, v...)))
	}
}

// about returns the first warning with a text in it.
func (l *serverLog) about(text string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range l.warnings {
		if strings.Contains(w, text) {
			return w
		}
	}
	return ""
}

// Errorf is worth a warning: the server goes on.
func (l *serverLog) Errorf(format string, v ...any) { l.log.Warn(line(format, v...)) }

// line is one of the server's, which may quote what a client sent.
func line(format string, v ...any) string { return printable.Text(fmt.Sprintf(format, v...)) }

// Debugf and Tracef are never asked for.
func (l *serverLog) Debugf(string, ...any) {}

// Tracef is never asked for.
func (l *serverLog) Tracef(string, ...any) {}

// Fatalf keeps the first line for the caller: the server's own log never ends this process.
func (l *serverLog) Fatalf(format string, v ...any) {
	l.once.Do(func() { l.fatal <- fmt.Sprintf(format, v...) })
}

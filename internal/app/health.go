package app

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"vidbell/internal/config"
)

// HealthCheck asks a running vidbell whether it is ready, for containers that have no shell. It looks at the same
// VIDBELL_HTTP_LISTEN as the service.
func HealthCheck(ctx context.Context) error {
	cfg, err := config.LoadOnly("VIDBELL_HTTP_LISTEN")
	if err != nil {
		return failed(err)
	}
	if cfg.HTTP.Listen == "" {
		return failed(fmt.Errorf("healthcheck: VIDBELL_HTTP_LISTEN is off, there is nothing to ask"))
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+dialable(cfg.HTTP.Listen)+"/readyz", http.NoBody)
	if err != nil {
		return failed(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return failed(fmt.Errorf("healthcheck: %w", err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
		return failed(fmt.Errorf("healthcheck: not ready: %s", body))
	}
	return nil
}

// dialable turns a listening address into one to connect to: all interfaces include loopback.
func dialable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return listen
}

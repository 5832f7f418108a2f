package app

import (
	"context"
	"fmt"
	"net/http"
)

// HealthCheck asks a running vidbell whether it is ready, for containers that have no shell. It looks at the same
// VIDBELL_HTTP_LISTEN as the service.
func HealthCheck(ctx context.Context) error {
	service, err := findRunning()
	if err != nil {
		return failed(err)
	}
	status, body, err := service.ask(ctx, http.MethodGet, "/readyz")
	if err != nil {
		return failed(fmt.Errorf("healthcheck: %w", err))
	}
	if status != http.StatusOK {
		return failed(fmt.Errorf("healthcheck: not ready: %.4096s", body))
	}
	return nil
}

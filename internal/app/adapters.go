package app

import (
	"context"

	"vidbell/notify"
	"vidbell/poller"
)

// reporter tells about the health of sources.
type reporter struct{ log *notify.Log }

// Report stores a report.
func (r reporter) Report(ctx context.Context, rep poller.Report) error {
	return r.log.ReportSource(ctx, rep.Recovered, notify.Trouble{
		Source: rep.Source, Reason: string(rep.Reason), Detail: rep.Detail, Since: rep.Since, At: rep.At,
	})
}

// Last returns the newest report about a source.
func (r reporter) Last(ctx context.Context, source string) (poller.Report, error) {
	t, recovered, ok, err := r.log.LastSourceReport(ctx, source)
	if err != nil || !ok {
		return poller.Report{}, err
	}
	return poller.Report{
		Source: source, Recovered: recovered, Reason: poller.Reason(t.Reason), Detail: t.Detail, Since: t.Since, At: t.At,
	}, nil
}

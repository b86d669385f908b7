package analysis

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/api"
	prometheusv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/gitover/gitover/api/v1alpha1"
)

// prometheus asks for the value of an instant query, now.
func (s Sources) prometheus(ctx context.Context, check *v1alpha1.AnalysisCheck) Result {
	spec := check.Prometheus
	address, err := addressOf(spec.Address)
	if err != nil {
		return unknown("address: %v", err)
	}
	client, end, err := s.client(ctx, address, spec.SecretRef)
	if err != nil {
		return unknown("%v", err)
	}
	defer end()
	client.Transport = bounded{client.Transport}
	asked, err := api.NewClient(api.Config{Address: address.String(), Client: client})
	if err != nil {
		return unknown("address: %v", err)
	}
	value, _, err := prometheusv1.NewAPI(asked).Query(ctx, s.filled(spec.Query), time.Now(), prometheusv1.WithTimeout(timeoutOf(check)))
	if err != nil {
		return unknown("%s", refusalOf(err, address.Host, check))
	}
	measured, err := single(value)
	if err != nil {
		return unknown("%v", err)
	}
	return judged(measured, check.ThresholdRange)
}

// refusalOf a query: Prometheus' own words only if they are its own.
func refusalOf(err error, host string, check *v1alpha1.AnalysisCheck) string {
	var said *prometheusv1.Error
	if !errors.As(err, &said) {
		return reasonOf(err, host, check)
	}
	switch said.Type { //nolint:exhaustive // the rest is no answer of Prometheus
	case prometheusv1.ErrBadData, prometheusv1.ErrExec, prometheusv1.ErrTimeout, prometheusv1.ErrCanceled:
		return fmt.Sprintf("%s refused the query: %s", host, said.Msg)
	case prometheusv1.ErrClient, prometheusv1.ErrServer:
		return fmt.Sprintf("%s answered with an error: %s", host, said.Msg)
	}
	return fmt.Sprintf("%s doesn't answer as Prometheus does", host)
}

// single value of a query's result.
func single(value model.Value) (float64, error) {
	switch v := value.(type) {
	case *model.Scalar:
		return float64(v.Value), nil
	case model.Vector:
		switch {
		case len(v) == 0:
			return 0, errors.New("the query yields no series")
		case len(v) > 1:
			return 0, fmt.Errorf("the query yields %d series; aggregate them to one", len(v))
		case v[0].Histogram != nil:
			return 0, errors.New("the query yields a histogram; take a number of it, such as histogram_quantile")
		}
		return float64(v[0].Value), nil
	}
	return 0, fmt.Errorf("the query yields a %s; ask for a scalar or an instant vector", value.Type())
}

// bounded answers are no longer than mostAnswer.
type bounded struct{ http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		answer.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(answer.Body, mostAnswer), answer.Body}
	}
	return answer, err
}

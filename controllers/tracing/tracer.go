package tracing

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/gitover/gitover/internal/version"
)

// flushTime is how long a controller that stops goes on sending what waits.
const flushTime = 10 * time.Second

// Tracer sends spans of what has ended. Nil sends nothing. It is safe for concurrent use.
type Tracer struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
}

// New tracer that sends spans to the collector at an address such as http://collector.monitoring:4318, by OTLP over HTTP; nil
// without an address. The library reads further settings, such as headers, from the variables OTEL_EXPORTER_OTLP_….
func New(ctx context.Context, address string) (*Tracer, error) {
	if address == "" {
		return nil, nil
	}
	if u, err := url.Parse(address); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("--tracing-endpoint isn't an address such as http://collector.monitoring.svc.cluster.local:4318")
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(strings.TrimSuffix(address, "/")+"/v1/traces"))
	if err != nil {
		return nil, fmt.Errorf("set up tracing: %w", err)
	}
	of := resource.NewSchemaless(attribute.String("service.name", "gitover"), attribute.String("service.version", version.String()))
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(of), sdktrace.WithIDGenerator(derived{}),
		sdktrace.WithSampler(sdktrace.AlwaysSample()))
	return &Tracer{provider: provider, tracer: provider.Tracer("github.com/gitover/gitover")}, nil
}

// Start sends spans until ctx ends, and then what is left.
func (t *Tracer) Start(ctx context.Context) error {
	<-ctx.Done()
	left, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTime)
	defer cancel()
	if err := t.provider.Shutdown(left); err != nil {
		return fmt.Errorf("send the last spans: %w", err)
	}
	return nil
}

// span of something that has ended.
type span struct {
	// thing is what the identifier is made of: the same thing is the same span, whoever sends it. within is the thing
	// that it is a part of, if any.
	thing, within string
	name          string
	start, end    time.Time
	failed        string
	attributes    []attribute.KeyValue
}

// send a span of the trace that is called so.
func (t *Tracer) send(of string, s span) {
	if s.start.IsZero() || s.end.Before(s.start) {
		return
	}
	ctx := context.WithValue(context.Background(), idKey{}, ids{traceID(of), spanID(of, s.thing)})
	if s.within != "" {
		ctx = trace.ContextWithSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: traceID(of), SpanID: spanID(of, s.within), TraceFlags: trace.FlagsSampled, Remote: true,
		}))
	}
	_, sent := t.tracer.Start(ctx, s.name, trace.WithTimestamp(s.start), trace.WithAttributes(s.attributes...))
	if s.failed != "" {
		sent.SetStatus(codes.Error, s.failed)
	}
	sent.End(trace.WithTimestamp(s.end))
}

// derived identifiers instead of random ones.
type derived struct{}

type idKey struct{}

type ids struct {
	trace trace.TraceID
	span  trace.SpanID
}

// NewIDs implements sdktrace.IDGenerator.
func (derived) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	of, _ := ctx.Value(idKey{}).(ids) // send has put them there
	return of.trace, of.span
}

// NewSpanID implements sdktrace.IDGenerator.
func (derived) NewSpanID(ctx context.Context, _ trace.TraceID) trace.SpanID {
	of, _ := ctx.Value(idKey{}).(ids)
	return of.span
}

func traceID(of string) (id trace.TraceID) {
	sum := sha256.Sum256([]byte("trace\x00" + of))
	copy(id[:], sum[:])
	return id
}

func spanID(of, thing string) (id trace.SpanID) {
	sum := sha256.Sum256([]byte("span\x00" + of + "\x00" + thing))
	copy(id[:], sum[:])
	return id
}

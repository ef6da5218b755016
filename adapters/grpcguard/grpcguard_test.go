package grpcguard_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/latchkeyhq/latchkey/adapters/grpcguard"
	"github.com/latchkeyhq/latchkey/internal/guardtest"
	"github.com/latchkeyhq/latchkey/protect"
)

// service is the health service, which has a method of each kind, and notes who calls.
type service struct {
	*health.Server
	callers chan string
}

func (s service) Check(
	ctx context.Context, r *healthpb.HealthCheckRequest,
) (*healthpb.HealthCheckResponse, error) {
	s.callers <- guardtest.Hello(ctx)
	return s.Server.Check(ctx, r)
}

func (s service) Watch(r *healthpb.HealthCheckRequest, stream healthpb.Health_WatchServer) error {
	s.callers <- guardtest.Hello(stream.Context())
	return s.Server.Watch(r, stream)
}

// dial starts the service behind g and returns a client and who reached it.
func dial(t *testing.T, g *protect.Guard) (healthpb.HealthClient, <-chan string) {
	t.Helper()
	s := service{health.NewServer(), make(chan string, 10)}
	server := grpc.NewServer(grpc.UnaryInterceptor(grpcguard.Unary(g)),
		grpc.StreamInterceptor(grpcguard.Stream(g)))
	healthpb.RegisterHealthServer(server, s)
	listener := bufconn.Listen(1 << 16)
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	conn, err := grpc.NewClient("passthrough:///memory", grpc.WithTransportCredentials(
		insecure.NewCredentials(),
	),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return listener.DialContext(ctx)
		}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return healthpb.NewHealthClient(conn), s.callers
}

// result is what a caller sees of a call and whom the method saw.
type result struct {
	Code   codes.Code
	Text   string
	Reason string
	Retry  time.Duration
	Caller string
}

func resultOf(err error, callers <-chan string) result {
	s := status.Convert(err)
	r := result{Code: s.Code(), Text: s.Message()}
	for _, d := range s.Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			r.Reason = d.GetDomain() + "/" + d.GetReason()
		case *errdetails.RetryInfo:
			r.Retry = d.GetRetryDelay().AsDuration()
		}
	}
	select {
	case r.Caller = <-callers:
	default:
	}
	return r
}

func TestCallsAreAnsweredInTermsOfGRPC(t *testing.T) {
	closed := guardtest.Guard()
	open := protect.New(protect.Config{
		Verifier: guardtest.Keys{}, OnError: protect.FailOpen(guardtest.Log),
	})
	named := protect.New(protect.Config{
		Verifier: guardtest.Keys{}, Extract: protect.Header("X-API-Key"),
	})
	bearer := func(key string) metadata.MD { return metadata.Pairs("authorization", "Bearer "+key) }
	for _, c := range []struct {
		name  string
		guard *protect.Guard
		md    metadata.MD
		want  result
	}{
		{"valid", closed, bearer("sk_valid"), result{Caller: "hello key_1"}},
		{
			"no key", closed, nil,
			result{
				Code: codes.Unauthenticated, Text: "the request has no API key", Reason: "latchkey/NO_KEY",
			},
		},
		{"two keys", closed, metadata.Pairs("authorization", "Bearer sk_valid", "authorization",
			"Bearer sk_valid"),
			result{
				Code: codes.Unauthenticated, Text: "the request has no API key", Reason: "latchkey/NO_KEY",
			}},
		{
			"unknown", closed, bearer("sk_unknown"),
			result{
				Code: codes.Unauthenticated, Text: "there is no such API key", Reason: "latchkey/NOT_FOUND",
			},
		},
		{"out of credits", closed, bearer("sk_spent"),
			result{
				Code: codes.ResourceExhausted, Text: "the API key has not enough credits left",
				Reason: "latchkey/USAGE_EXCEEDED",
			}},
		{"without the permission", closed.Require("write"), bearer("sk_valid"),
			result{
				Code: codes.PermissionDenied, Text: "the API key lacks a permission",
				Reason: "latchkey/INSUFFICIENT_PERMISSIONS",
			}},
		{"rate limited", closed, bearer("sk_limited"),
			result{
				Code: codes.ResourceExhausted, Text: "the API key is used too often",
				Reason: "latchkey/RATE_LIMITED", Retry: time.Minute,
			}},
		{"verifier down", closed, bearer("sk_down"),
			result{Code: codes.Unavailable, Text: "the API key can't be verified at the moment"}},
		{"verifier overloaded", closed, bearer("sk_overloaded"),
			result{
				Code: codes.Unavailable, Text: "the API key can't be verified at the moment",
				Retry: 2 * time.Second,
			}},
		{"verifier down, failing open", open, bearer("sk_down"), result{Caller: "hello stranger"}},
		{"key elsewhere in the metadata", named, metadata.Pairs("x-api-key", "sk_valid"),
			result{Caller: "hello key_1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, callers := dial(t, c.guard)
			ctx, cancel := context.WithCancel(metadata.NewOutgoingContext(t.Context(), c.md))
			defer cancel()

			_, err := client.Check(ctx, &healthpb.HealthCheckRequest{})
			if diff := cmp.Diff(c.want, resultOf(err, callers)); diff != "" {
				t.Errorf("unary: want -, got +:\n%s", diff)
			}
			stream, err := client.Watch(ctx, &healthpb.HealthCheckRequest{})
			if err == nil {
				_, err = stream.Recv()
			}
			if diff := cmp.Diff(c.want, resultOf(err, callers)); diff != "" {
				t.Errorf("stream: want -, got +:\n%s", diff)
			}
		})
	}
}

// TestExtractorsSeeAWholeRequest: one that reads the body must not end the process.
func TestExtractorsSeeAWholeRequest(t *testing.T) {
	guard := protect.New(protect.Config{Verifier: guardtest.Keys{}, Extract: guardtest.Whole(t)})
	server := grpc.NewServer(grpc.UnaryInterceptor(grpcguard.Unary(guard)))
	healthpb.RegisterHealthServer(server, health.NewServer())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(listener)
	defer server.Stop()
	conn, err := grpc.NewClient(listener.Addr().String(),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer sk_valid")
	_, err = healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{})
	if err != nil {
		t.Error(err)
	}
}

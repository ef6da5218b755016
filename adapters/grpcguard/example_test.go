package grpcguard_test

import (
	"context"
	"fmt"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"

	"github.com/latchkeyhq/latchkey/adapters/grpcguard"
	"github.com/latchkeyhq/latchkey/internal/guardtest"
	"github.com/latchkeyhq/latchkey/protect"
)

// client stands for a latchkey.Client.
var client = struct{ Keys protect.Verifier }{guardtest.Keys{}}

func Example() {
	guard := protect.New(protect.Config{Verifier: client.Keys})
	server := grpc.NewServer(
		grpc.UnaryInterceptor(grpcguard.Unary(guard)),
		grpc.StreamInterceptor(grpcguard.Stream(guard)))

	healthpb.RegisterHealthServer(server, health.NewServer())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go server.Serve(listener)
	defer server.Stop()
	conn, err := grpc.NewClient(listener.Addr().String(),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	for _, key := range []string{"sk_valid", "sk_unknown"} {
		ctx := metadata.AppendToOutgoingContext(context.Background(), "authorization", "Bearer "+key)
		_, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{})
		fmt.Println(err)
	}
	// Output:
	// <nil>
	// rpc error: code = Unauthenticated desc = there is no such API key
}

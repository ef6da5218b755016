// Package grpcguard lets only valid API keys through to methods of gRPC.
//
//	guard := protect.New(protect.Config{Verifier: c.Keys})
//	server := grpc.NewServer(
//		grpc.UnaryInterceptor(grpcguard.Unary(guard)),
//		grpc.StreamInterceptor(grpcguard.Stream(guard)))
//
// The key is in the metadata "authorization", as "Bearer <key>", or where the
// guard's extractor finds it: metadata stand in the header of the request it
// gets. A method finds the verification in its context:
//
//	v, ok := protect.FromContext(ctx)
//
// Interceptors serve all methods; one that asks for more for some of them, or
// leaves some open, is a function that calls these:
//
//	func(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
//		if info.FullMethod == healthpb.Health_Check_FullMethodName {
//			return next(ctx, req)
//		}
//		return grpcguard.Unary(guard.Tags("method="+info.FullMethod))(ctx, req, info, next)
//	}
package grpcguard

import (
	"context"
	"net/http"
	"net/url"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/latchkeyhq/latchkey/protect"
)

// Domain is the domain of the error details, whose reason is the verification's code.
const Domain = "latchkey"

// Unary returns the interceptor of a guard for methods of one answer. Refusals
// have the codes Unauthenticated, PermissionDenied, ResourceExhausted (credits or
// rate limits) or Unavailable (the key could not be verified), with an ErrorInfo
// that tells why and, where it is known when to try again, a RetryInfo.
// Config.OnDenied is not called: there is no http.ResponseWriter.
func Unary(g *protect.Guard) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		ctx, err := check(ctx, g, info.FullMethod)
		if err != nil {
			return nil, err
		}
		return next(ctx, req)
	}
}

// Stream returns the interceptor of a guard for streams. The key is verified
// once, when the stream begins. Refusals are those of [Unary].
func Stream(g *protect.Guard) grpc.StreamServerInterceptor {
	return func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
		ctx, err := check(stream.Context(), g, info.FullMethod)
		if err != nil {
			return err
		}
		return next(srv, verified{stream, ctx})
	}
}

// verified is a stream whose context has the verification.
type verified struct {
	grpc.ServerStream
	ctx context.Context
}

// Context implements grpc.ServerStream.
func (s verified) Context() context.Context { return s.ctx }

// check returns the context for a call that may pass, or the status of its refusal.
func check(ctx context.Context, g *protect.Guard, method string) (context.Context, error) {
	v, err := g.CheckRequest(request(ctx, method))
	if err != nil {
		return nil, refusal(g.Refuse(ctx, err))
	}
	return protect.NewContext(ctx, v), nil
}

// request is what extractors may look at: the method as path, metadata as header.
func request(ctx context.Context, method string) *http.Request {
	md, _ := metadata.FromIncomingContext(ctx)
	header := http.Header{}
	for name, values := range md {
		header[http.CanonicalHeaderKey(name)] = values
	}
	r := &http.Request{Method: http.MethodPost, URL: &url.URL{Path: method}, Header: header}
	return r.WithContext(ctx)
}

// code translates the status of a refusal. It is never OK, which would be no refusal.
func code(status int) codes.Code {
	switch status {
	case http.StatusUnauthorized:
		return codes.Unauthenticated
	case http.StatusForbidden:
		return codes.PermissionDenied
	case http.StatusPaymentRequired, http.StatusTooManyRequests:
		return codes.ResourceExhausted
	}
	return codes.Unavailable
}

// refusal translates an answer of HTTP.
func refusal(a protect.Answer) error {
	s := status.New(code(a.Status), a.Detail)
	var details []protoadapt.MessageV1
	if a.Code != "" {
		details = append(details, &errdetails.ErrorInfo{Reason: string(a.Code), Domain: Domain})
	}
	if a.RetryAfter > 0 {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(a.RetryAfter)})
	}
	if detailed, err := s.WithDetails(details...); err == nil {
		s = detailed
	}
	return s.Err()
}

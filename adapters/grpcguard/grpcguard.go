// Package grpcguard requires valid API keys for gRPC methods.
//
//	guard := protect.New(protect.Config{Verifier: c.Keys})
//	server := grpc.NewServer(
//		grpc.UnaryInterceptor(grpcguard.Unary(guard)),
//		grpc.StreamInterceptor(grpcguard.Stream(guard)))
//
// The key is in the metadata "authorization", as "Bearer <key>". An extractor of
// the guard gets an http.Request with the method of the call as its path, the metadata
// as header, the address of the caller, and no body. A method gets the verification from
// its context:
//
//	v, ok := protect.FromContext(ctx)
//
// An interceptor applies to all methods. To check some of them differently, or not
// at all, write an interceptor that calls this one:
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
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/latchkeyhq/latchkey/protect"
)

// Domain is the domain of the ErrorInfo in a status. Its reason is the code of the
// verification.
const Domain = "latchkey"

// Unary returns the interceptor of a guard for unary methods. A denied call gets
// the code Unauthenticated, PermissionDenied, ResourceExhausted (credits or rate
// limits) or Unavailable (the key could not be verified), with an ErrorInfo that
// has the reason and, if it is known when to retry, a RetryInfo. Config.OnDenied
// is not called, because there is no http.ResponseWriter.
func Unary(g *protect.Guard) grpc.UnaryServerInterceptor {
	return func(
		ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler,
	) (any, error) {
		ctx, end, err := check(ctx, g, info.FullMethod)
		if err != nil {
			return nil, err
		}
		defer end()
		return next(ctx, req)
	}
}

// Stream returns the interceptor of a guard for streams. The key is verified once,
// when the stream starts. A denied call gets the status that [Unary] describes.
func Stream(g *protect.Guard) grpc.StreamServerInterceptor {
	return func(
		srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler,
	) error {
		ctx, end, err := check(stream.Context(), g, info.FullMethod)
		if err != nil {
			return err
		}
		defer end()
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

// check returns the context for a call that may pass and a function to call at its end, or
// the status of its refusal.
func check(
	ctx context.Context, g *protect.Guard, method string,
) (context.Context, func(), error) {
	v, err := g.CheckRequest(request(ctx, method))
	if err != nil {
		return nil, nil, refusal(g.Refuse(ctx, err))
	}
	ctx, end := g.Begin(ctx, v)
	return ctx, end, nil
}

// request is what extractors see: the method as path, metadata as header. Messages are
// not its body, which is empty.
func request(ctx context.Context, method string) *http.Request {
	md, _ := metadata.FromIncomingContext(ctx)
	header := http.Header{}
	for name, values := range md {
		if !strings.HasPrefix(name, ":") { // which HTTP/2 has for what are fields here
			header[http.CanonicalHeaderKey(name)] = values
		}
	}
	r := &http.Request{
		Method: http.MethodPost, URL: &url.URL{Path: method}, RequestURI: method,
		Proto: "HTTP/2.0", ProtoMajor: 2,
		Header: header, Body: http.NoBody, Host: strings.Join(md.Get(":authority"), ","),
	}
	if p, ok := peer.FromContext(ctx); ok && p.Addr != nil {
		r.RemoteAddr = p.Addr.String()
		if info, ok := p.AuthInfo.(credentials.TLSInfo); ok {
			r.TLS = &info.State
		}
	}
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

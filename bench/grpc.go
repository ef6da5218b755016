package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/latchkeyhq/latchkey/bench/load"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// bytesCodec sends encoded messages, so that the load generator uses little CPU over gRPC and needs
// no
// generated code of the rivals.
type bytesCodec struct{}

func (bytesCodec) Marshal(v any) ([]byte, error)      { return v.([]byte), nil }
func (bytesCodec) Unmarshal(data []byte, v any) error { *v.(*[]byte) = data; return nil }
func (bytesCodec) Name() string                       { return "proto" }

// callersPerConn is the number of goroutines that share a connection. gRPC connections are meant to
// be
// shared, but a single one would be a bottleneck.
const callersPerConn = 8

// grpcTarget returns a target that calls a unary method.
func grpcTarget(addr, method string, source load.Source, pids ...int) target {
	var shared *grpc.ClientConn
	return target{pids: pids, dial: func(conn int) (load.Doer, error) {
		owner := conn%callersPerConn == 0
		if owner {
			var err error
			shared, err = grpc.NewClient(addr,
				grpc.WithTransportCredentials(insecure.NewCredentials()))
			if err != nil {
				return nil, err
			}
		}
		return &grpcConn{conn: shared, owner: owner, method: method, next: source(conn)}, nil
	}}
}

// grpcConn is one of the goroutines that share a connection.
type grpcConn struct {
	conn   *grpc.ClientConn
	owner  bool // closes the connection
	method string
	next   func() *load.Request
}

// Do calls the method and checks the bytes of its response.
func (c *grpcConn) Do() (kind int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r := c.next()
	var response []byte
	if err := c.conn.Invoke(ctx, c.method, r.Bytes, &response,
		grpc.ForceCodec(bytesCodec{})); err != nil {
		return r.Kind, err
	}
	if !bytes.Contains(response, r.Want) {
		return r.Kind, fmt.Errorf("%s returned %x", c.method, response)
	}
	return r.Kind, nil
}

// Close closes the shared connection.
func (c *grpcConn) Close() error {
	if !c.owner {
		return nil
	}
	return c.conn.Close()
}

// text and number encode a protocol buffer field with the given field number. text also encodes
// nested
// messages.
func text[T string | []byte](field int, value T) []byte {
	b := binary.AppendUvarint(nil, uint64(field)<<3|2)
	b = binary.AppendUvarint(b, uint64(len(value)))
	return append(b, value...)
}

func number(field int, value uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(nil, uint64(field)<<3), value)
}

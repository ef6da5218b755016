package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http/httptest"
	"os"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/embedded"
)

var ctx = context.Background()

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// folder makes a folder for an example; yours is a lasting one.
func folder() (dir string, remove func()) {
	dir, err := os.MkdirTemp("", "latchkey")
	check(err)
	return dir, func() { check(os.RemoveAll(dir)) }
}

// The service runs inside of the program and answers it without a socket.
func ExampleOpen() {
	dir, remove := folder()
	defer remove()

	service, err := embedded.Open(ctx, embedded.Config{Data: dir, Log: slog.New(slog.DiscardHandler)})
	check(err)
	api, err := service.Client.APIs.Create(ctx, latchkey.CreateAPIRequest{Name: "documents"})
	check(err)
	key, err := service.Client.Keys.Create(ctx, latchkey.CreateKeyRequest{APIID: api.APIID})
	check(err)
	v, err := service.Client.Keys.Verify(ctx, latchkey.VerifyKeyRequest{Key: key.Key})
	fmt.Println(v.Code, err)

	check(service.Close(ctx))
	_, err = service.Client.Keys.Verify(ctx, latchkey.VerifyKeyRequest{Key: key.Key})
	fmt.Println(errors.Is(err, latchkey.ErrUnavailable))
	// Output:
	// VALID <nil>
	// true
}

// A part of the program that needs to verify only gets a client that can do
// nothing else.
func ExampleService_Send() {
	dir, remove := folder()
	defer remove()
	service, err := embedded.Open(ctx, embedded.Config{Data: dir, Log: slog.New(slog.DiscardHandler)})
	check(err)
	defer service.Close(ctx)

	made, err := service.Client.RootKeys.Create(ctx, latchkey.CreateRootKeyRequest{
		Permissions: []string{"api.*.verify_key"},
	})
	check(err)
	verifier, err := latchkey.New(latchkey.Config{Transport: service, RootKey: made.Key})
	check(err)
	_, err = verifier.APIs.List(ctx, latchkey.ListAPIsRequest{})
	fmt.Println(errors.Is(err, latchkey.ErrForbidden))
	// Output: true
}

// Other programs reach the same service over HTTP.
func ExampleService() {
	dir, remove := folder()
	defer remove()
	service, err := embedded.Open(ctx, embedded.Config{Data: dir, Log: slog.New(slog.DiscardHandler)})
	check(err)
	defer service.Close(ctx)
	server := httptest.NewServer(service.Handler) // yours is an http.Server
	defer server.Close()

	other, err := latchkey.New(latchkey.Config{BaseURL: server.URL, RootKey: service.RootKey})
	check(err)
	alive, err := other.Liveness(ctx)
	fmt.Println(alive.Message, err)
	// Output: ok <nil>
}

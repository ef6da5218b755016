package fiberguard_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"testing"

	"github.com/gofiber/fiber/v3"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/adapters/fiberguard"
	"github.com/latchkeyhq/latchkey/internal/guardtest"
	"github.com/latchkeyhq/latchkey/protect"
)

func app(g *protect.Guard, handler fiber.Handler) *fiber.App {
	a := fiber.New()
	a.Use(fiberguard.New(g))
	a.All("/", handler)
	return a
}

func hello(c fiber.Ctx) error { return c.SendString(guardtest.Hello(c.Context())) }

func TestFiberAnswersAsNetHTTP(t *testing.T) {
	guardtest.SameAnswers(t, func(t *testing.T, g *protect.Guard, r *http.Request) *http.Response {
		answer, err := app(g, hello).Test(r)
		if err != nil {
			t.Fatal(err)
		}
		return answer
	})
}

func TestErrorsOfHandlersPassThrough(t *testing.T) {
	r, err := http.NewRequest("GET", "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer sk_valid")
	answer, err := app(guardtest.Guard(), func(fiber.Ctx) error { return fiber.ErrTeapot }).Test(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusTeapot {
		t.Errorf("answered with %d, want the handler's %d", answer.StatusCode, http.StatusTeapot)
	}
}

// keeper is a verifier that keeps the keys it is asked about.
type keeper struct{ keys []string }

func (k *keeper) Verify(
	_ context.Context, r latchkey.VerifyKeyRequest, _ ...latchkey.CallOption,
) (latchkey.Verification, error) {
	k.keys = append(k.keys, r.Key)
	return latchkey.Verification{Valid: true, Code: latchkey.Valid}, nil
}

// TestKeysOutliveTheirRequest sends requests over one connection, for which
// fiber uses the same memory again and again.
func TestKeysOutliveTheirRequest(t *testing.T) {
	kept := &keeper{}
	a := app(protect.New(protect.Config{Verifier: kept}), hello)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go a.Listener(listener, fiber.ListenConfig{DisableStartupMessage: true})
	defer a.Shutdown()

	const requests = 20
	for i := range requests {
		get(t, "http://"+listener.Addr().String()+"/", fmt.Sprintf("sk_%03d", i))
	}
	if len(kept.keys) != requests {
		t.Fatalf("%d keys were verified, want %d", len(kept.keys), requests)
	}
	for i, key := range kept.keys {
		if want := fmt.Sprintf("sk_%03d", i); key != want {
			t.Errorf("the key %s has become %s", want, key)
		}
	}
}

func get(t *testing.T, url, key string) {
	t.Helper()
	r, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
}

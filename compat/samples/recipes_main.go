//go:build ignore

// This file calls the functions of docs/recipes.md, in the order of the page.
package main

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/latchkeyhq/latchkey"
)

func main() {
	log.SetFlags(0)
	ctx := context.Background()
	c, err := latchkey.FromEnv()
	if err != nil {
		log.Fatal(err)
	}
	api, err := c.APIs.Create(ctx, latchkey.CreateAPIRequest{Name: "documents"})
	expect("createApi", true, err)

	key, err := signUp(ctx, c, api.APIID, "user_1")
	expect("signUp", key != "", err)
	keys, err := keysOf(ctx, c, "user_1")
	expect("keysOf", len(keys) == 1 && keys[0].ExternalID() == "user_1", err)
	newKey, err := replace(ctx, c, keys[0].KeyID)
	expect("replace", newKey != key, err)
	err = revoke(ctx, c, newKey)
	v, verifyErr := c.Keys.Verify(ctx, latchkey.VerifyKeyRequest{Key: newKey})
	expect("revoke", v.Code == latchkey.NotFound && verifyErr == nil, err)
	err = suspend(ctx, c, "user_1")
	v, verifyErr = c.Keys.Verify(ctx, latchkey.VerifyKeyRequest{Key: key})
	expect("suspend", v.Code == latchkey.Disabled && verifyErr == nil, err)
	err = endAll(ctx, c, "user_1", time.Now().Add(time.Hour))
	expect("endAll", true, err)
	keys, err = endingWithin(ctx, c, 24*time.Hour)
	expect("endingWithin", len(keys) == 1, err)
	passes, err := mayTry(ctx, c, "203.0.113.7")
	expect("mayTry", passes, err)
}

// expect prints the name of a recipe, or ends the program if it didn't do what it should.
func expect(name string, ok bool, err error) {
	if err != nil || !ok {
		log.Fatalf("%s: ok is %t, the error is %v", name, ok, err)
	}
	if name != "createApi" {
		fmt.Println(name)
	}
}

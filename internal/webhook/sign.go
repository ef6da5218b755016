// Package webhook signs messages and sends them to receivers, as the Standard Webhooks
// specification says (https://www.standardwebhooks.com). It knows which addresses may be
// called and when a message is sent again; it stores nothing.
package webhook

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
)

// secretPrefix begins every secret.
const secretPrefix = "whsec_"

// NewSecret returns a random secret of 32 bytes: whsec_ and their base64.
func NewSecret() string {
	key := make([]byte, 32)
	rand.Read(key)
	return secretPrefix + base64.StdEncoding.EncodeToString(key)
}

// Sign returns the header webhook-signature of a message that is sent at a time, in unix
// seconds: one signature for each secret, separated by spaces. Receivers accept any.
func Sign(secrets []string, id string, at int64, body []byte) (string, error) {
	signatures := make([]string, len(secrets))
	for i, secret := range secrets {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, secretPrefix))
		if err != nil {
			return "", fmt.Errorf("webhook: a secret is not base64: %w", err)
		}
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%d.%s", id, at, body)
		signatures[i] = "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	return strings.Join(signatures, " "), nil
}

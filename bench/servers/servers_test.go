package servers

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// start runs a server until the test ends and returns the address it prints.
func start(t *testing.T, name string) string {
	t.Helper()
	r, w := io.Pipe()
	failed := make(chan error, 1)
	go func() { failed <- Run(context.Background(), name, Config{}, w) }()
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatal(err, <-failed)
	}
	return strings.TrimSpace(line)
}

// TestBareHandlerReadsJSONAndWrites300Bytes checks that the bare handler is a fair ceiling.
func TestBareHandlerReadsJSONAndWrites300Bytes(t *testing.T) {
	url := "http://" + start(t, "bare")
	for body, status := range map[string]int{`{"key":"x"}`: http.StatusOK,
		`{"key":`: http.StatusBadRequest} {
		response, err := http.Post(url, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != status || status == http.StatusOK &&
			(len(text) != 300 || string(text) != BareResponse) {
			t.Errorf("%s: %d and %d bytes, %v", body, response.StatusCode, len(text), err)
		}
		_ = response.Body.Close()
	}
}

// TestEchoReturnsItsInput sends twice on one connection.
func TestEchoReturnsItsInput(t *testing.T) {
	conn, err := net.Dial("tcp", start(t, "echo"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, text := range []string{"once", "again"} {
		if _, err := io.WriteString(conn, text); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(text))
		if _, err := io.ReadFull(conn, got); err != nil || string(got) != text {
			t.Errorf("echo of %q: %q, %v", text, got, err)
		}
	}
}

// TestUnknownServerIsAnError runs a server that does not exist.
func TestUnknownServerIsAnError(t *testing.T) {
	if err := Run(context.Background(), "nobody", Config{}, io.Discard); err == nil {
		t.Error("no error")
	}
}

func TestStaticServerResponds204(t *testing.T) {
	response, err := http.Get("http://" + start(t, "static") + "/any")
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusNoContent {
		t.Error(response.StatusCode)
	}
}

package powercut

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// startTimeout bounds how long the service may take until it answers.
const startTimeout = 30 * time.Second

// service is latchkey serve at work on a data folder.
type service struct {
	*latchkey.Client
	RootKey string // as the data folder holds it
	cmd     *exec.Cmd
	stderr  bytes.Buffer
	ready   chan started // receives one value
}

// started is what latchkey serve prints once it answers, or why it never will.
type started struct {
	URL     string `json:"url"`
	RootKey string `json:"rootKey"`
	err     error
}

// launch starts the binary on a data folder and returns without waiting for it.
func launch(binary, data string) (*service, error) {
	s := &service{ready: make(chan started, 1)}
	s.cmd = exec.Command(binary, "serve", "--json", "--listen", "127.0.0.1:0", "--data", data)
	s.cmd.Stderr = &s.stderr
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		var line started
		line.err = json.NewDecoder(out).Decode(&line)
		s.ready <- line
		_, _ = io.Copy(io.Discard, out)
	}()
	return s, nil
}

// await returns when the service answers, with a client of the root key that
// the data folder holds. It returns the root key that was printed, "" if none was.
func (s *service) await(data string) (printed string, err error) {
	var line started
	select {
	case line = <-s.ready:
	case <-time.After(startTimeout):
		line.err = errors.New("it does not answer in time")
	}
	if line.err != nil {
		s.kill()
		return "", fmt.Errorf("start: %w: %s", line.err, s.stderr.String())
	}
	rootKey, err := os.ReadFile(filepath.Join(data, "root.key"))
	if err != nil {
		return line.RootKey, fmt.Errorf("root key: %w", err)
	}
	s.RootKey = strings.TrimSpace(string(rootKey))
	s.Client, err = latchkey.New(latchkey.Config{
		BaseURL: line.URL, RootKey: s.RootKey, Retry: latchkey.NoRetry,
		HTTPClient: &http.Client{
			Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64},
		},
	})
	return line.RootKey, err
}

// kill ends the process without a chance to save anything.
func (s *service) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// works asks for something that only a valid root key gets.
func (s *service) works(ctx context.Context) error {
	_, err := s.APIs.List(ctx, latchkey.ListAPIsRequest{})
	return err
}

package test

import (
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// composed reads compose.yaml as docker compose does, against its schema.
func composed(t *testing.T) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{"../compose.yaml"})
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

// TestComposeFileIsValid checks that every service waits for its dependencies and restarts
// after a failure.
func TestComposeFileIsValid(t *testing.T) {
	for name, s := range composed(t).Services {
		if name == "secrets" {
			continue // it runs once and exits
		}
		if s.HealthCheck == nil && s.Build == nil || s.Restart != "unless-stopped" {
			t.Errorf("%s has health check %v and restart %q", name, s.HealthCheck, s.Restart)
		}
		for needed, how := range s.DependsOn {
			want := types.ServiceConditionHealthy
			if needed == "secrets" {
				want = types.ServiceConditionCompletedSuccessfully
			}
			if how.Condition != want {
				t.Errorf("%s waits until %s is %s, want %s", name, needed, how.Condition, want)
			}
		}
	}
}

// TestComposeNodesAreAlike checks that the nodes differ only in their names and folders, run
// with minimal privileges, have enough time to shut down, and publish no port.
func TestComposeNodesAreAlike(t *testing.T) {
	project := composed(t)
	for _, name := range []string{"node1", "node2", "node3"} {
		s := project.Services[name]
		if !s.ReadOnly || s.Privileged || len(s.CapDrop) != 1 || s.CapDrop[0] != "ALL" ||
			len(s.Ports) > 0 {
			t.Errorf("%s: %+v", name, s)
		}
		drainDelay, err := time.ParseDuration(*s.Environment["LATCHKEY_DRAIN_DELAY"])
		if grace := time.Duration(*s.StopGracePeriod); err != nil ||
			grace < drainDelay+(shutdownTimeout+10)*time.Second {
			t.Errorf("%s has %v to stop, with a drain delay of %v", name, grace, drainDelay)
		}
		if !reflect.DeepEqual(s.Environment, project.Services["node1"].Environment) {
			t.Errorf("%s has other settings than node1", name)
		}
	}
}

// TestComposeBalancerIsValid runs the configuration check of HAProxy.
func TestComposeBalancerIsValid(t *testing.T) {
	check := exec.Command(need(t, "haproxy"), "-c", "-f", "../compose.haproxy.cfg")
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// TestComposeContainsNoSecret checks that no secret is in the file, and that every
// published port is bound to loopback.
func TestComposeContainsNoSecret(t *testing.T) {
	for name, s := range composed(t).Services {
		for variable, value := range s.Environment {
			if strings.HasSuffix(variable, "PASSWORD") || value != nil &&
				(strings.Contains(*value, "@") || strings.Contains(*value, "lkm_")) {
				t.Errorf("%s has a secret in %s", name, variable)
			}
		}
		for _, port := range s.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s publishes a port on %q", name, port.HostIP)
			}
		}
	}
}

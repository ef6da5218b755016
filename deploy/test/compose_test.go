package test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// composed reads compose.yaml as docker compose does: strictly, by its schema.
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

// TestComposeFileIsValid, and every service waits for what it needs and comes
// back by itself.
func TestComposeFileIsValid(t *testing.T) {
	for name, s := range composed(t).Services {
		if name == "secrets" {
			continue // it ends when its work is done
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
				t.Errorf("%s waits until %s is %s", name, needed, how.Condition)
			}
		}
	}
}

// TestComposeNodesAreAlike: they differ in nothing but their names and folders, may do
// nothing they needn't, have the time that it takes to stop, and no port of
// theirs is open to the outside.
func TestComposeNodesAreAlike(t *testing.T) {
	project := composed(t)
	for _, name := range []string{"node1", "node2", "node3"} {
		s := project.Services[name]
		if !s.ReadOnly || s.Privileged || len(s.CapDrop) != 1 || s.CapDrop[0] != "ALL" || len(s.Ports) > 0 {
			t.Errorf("%s: %+v", name, s)
		}
		pause, err := time.ParseDuration(*s.Environment["LATCHKEY_DRAIN_DELAY"])
		if grace := time.Duration(*s.StopGracePeriod); err != nil || grace < pause+(patience+10)*time.Second {
			t.Errorf("%s has %v to stop, of which it waits %v", name, grace, pause)
		}
		if !reflect.DeepEqual(s.Environment, project.Services["node1"].Environment) {
			t.Errorf("%s has other settings", name)
		}
	}
}

// TestComposeHoldsNoSecret: they are made at the first start, and the only open
// port is on this machine.
func TestComposeHoldsNoSecret(t *testing.T) {
	for name, s := range composed(t).Services {
		for variable, value := range s.Environment {
			if strings.HasSuffix(variable, "PASSWORD") || value != nil && (strings.Contains(*value, "@") || strings.Contains(*value, "lkm_")) {
				t.Errorf("%s is given %s in the open", name, variable)
			}
		}
		for _, port := range s.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s is open to %q", name, port.HostIP)
			}
		}
	}
}

package test

import (
	"os/exec"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"
)

// chart is the folder of the chart.
const chart = "../helm/latchkey"

// objects are the objects of a rendered chart, by kind.
type objects struct {
	Deployment              *apps.Deployment
	Service                 *core.Service
	ServiceAccount          *core.ServiceAccount
	Secret                  *core.Secret
	PodDisruptionBudget     *policy.PodDisruptionBudget
	Ingress                 *networking.Ingress
	HorizontalPodAutoscaler *autoscaling.HorizontalPodAutoscaler
	PodMonitor              *monitoring.PodMonitor
}

// helm runs helm for a cluster of the oldest version that the chart allows.
func helm(t *testing.T, command string, args ...string) (string, error) {
	t.Helper()
	program := need(t, "helm")
	full := append([]string{command}, args...)
	out, err := exec.Command(program, append(full, "--kube-version", "1.27.0")...).CombinedOutput()
	return string(out), err
}

// render renders the chart and decodes every object strictly: an unknown field fails the
// test.
func render(t *testing.T, values ...string) objects {
	t.Helper()
	text, err := helm(t, "template", append([]string{"prod", chart}, values...)...)
	if err != nil {
		t.Fatal(text)
	}
	var all objects
	for _, document := range regexp.MustCompile(`(?m)^---$`).Split(text, -1) {
		var kind struct{ Kind string }
		if err := yaml.Unmarshal([]byte(document), &kind); err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		if kind.Kind == "" {
			continue // only comments
		}
		field := reflect.ValueOf(&all).Elem().FieldByName(kind.Kind)
		if !field.IsValid() || !field.IsNil() {
			t.Fatalf("unexpected object:\n%s", document)
		}
		field.Set(reflect.New(field.Type().Elem()))
		if err := yaml.UnmarshalStrict([]byte(document), field.Interface()); err != nil {
			t.Errorf("%v in\n%s", err, document)
		}
	}
	return all
}

const masterKey = "lkm_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// everything enables every option of the chart.
var everything = []string{
	"--set", "secret.database=postgres://u:p@db/latchkey,secret.redis=redis://valkey:6379",
	"--set", "secret.masterKey=" + masterKey,
	"--set", "autoscaling.enabled=true",
	"--set", "podMonitor.enabled=true,podMonitor.labels.release=prometheus",
	"--set", "ingress.enabled=true,ingress.host=keys.example.com,ingress.tlsSecret=tls",
	"--set", "ingress.className=nginx,ingress.annotations.a=b",
	"--set", "limits=fast,failMode=stale,staleFor=5m,image.pullSecrets={registry}",
	"--set", "trustedProxies={10.0.0.0/8,192.0.2.7/32}",
	"--set-string", "env.LATCHKEY_DEBUG=true",
	"--set", "podAnnotations.a=b,podLabels.c=d,nodeSelector.disk=ssd",
	"--set", "serviceAccount.annotations.a=b,service.annotations.a=b",
	"--set-json", `tolerations=[{"key":"a","operator":"Exists"}]`,
	"--set-json", `affinity={"nodeAffinity":{}}`,
	"--set-json", `topologySpreadConstraints=[{"maxSkew":2,"topologyKey":"rack",` +
		`"whenUnsatisfiable":"DoNotSchedule"}]`,
}

func TestChartIsClean(t *testing.T) {
	least := []string{"--set", "existingSecret=latchkey"}
	for name, values := range map[string][]string{"least": least, "everything": everything} {
		args := append([]string{chart, "--strict"}, values...)
		if out, err := helm(t, "lint", args...); err != nil {
			t.Errorf("%s: %s", name, out)
		}
	}
}

func TestChartRendersValidKubernetesObjects(t *testing.T) {
	least := render(t, "--set", "existingSecret=latchkey")
	if least.Deployment == nil || least.Service == nil || least.ServiceAccount == nil ||
		least.PodDisruptionBudget == nil {
		t.Errorf("an object is missing: %+v", least)
	}
	if least.Secret != nil || least.Ingress != nil || least.HorizontalPodAutoscaler != nil ||
		least.PodMonitor != nil {
		t.Errorf("an object is rendered that was not enabled: %+v", least)
	}
	all := render(t, everything...)
	rendered := slices.Collect(fields(reflect.ValueOf(all)))
	if slices.ContainsFunc(rendered, reflect.Value.IsNil) {
		t.Errorf("an object is missing: %+v", all)
	}
	if all.Deployment.Spec.Replicas != nil {
		t.Error("the deployment sets replicas, which overrides the autoscaler")
	}
}

// fields ranges over the fields of a struct.
func fields(v reflect.Value) func(func(reflect.Value) bool) {
	return func(yield func(reflect.Value) bool) {
		for i := range v.NumField() {
			if !yield(v.Field(i)) {
				return
			}
		}
	}
}

// TestChartLosesNoNodeInARollingUpdate checks that a new node starts before an old one
// stops, and that the old one has enough time to shut down.
func TestChartLosesNoNodeInARollingUpdate(t *testing.T) {
	d := render(t, "--set", "existingSecret=latchkey,drainSeconds=20").Deployment.Spec
	if update := d.Strategy.RollingUpdate; update.MaxUnavailable.IntValue() != 0 ||
		update.MaxSurge.IntValue() < 1 {
		t.Errorf("the update is %+v", update)
	}
	pod := d.Template.Spec
	drainDelay := core.EnvVar{Name: "LATCHKEY_DRAIN_DELAY", Value: "20s"}
	if !slices.Contains(pod.Containers[0].Env, drainDelay) ||
		*pod.TerminationGracePeriodSeconds < 20+shutdownTimeout+10 {
		t.Errorf("%d seconds to stop; the environment is %+v", *pod.TerminationGracePeriodSeconds,
			pod.Containers[0].Env)
	}
}

// shutdownTimeout is how many seconds latchkey serve gives requests in progress to finish
// after SIGTERM.
const shutdownTimeout = 30

// TestChartIsHardened checks that the pods meet the restricted pod security standard and
// have a read-only file system.
func TestChartIsHardened(t *testing.T) {
	for _, values := range [][]string{{"--set", "existingSecret=latchkey"}, everything} {
		pod := render(t, values...).Deployment.Spec.Template.Spec
		p, c := pod.SecurityContext, pod.Containers[0].SecurityContext
		if !*p.RunAsNonRoot || *p.RunAsUser == 0 ||
			p.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault ||
			*pod.AutomountServiceAccountToken {
			t.Errorf("the pod is %+v", p)
		}
		if *c.AllowPrivilegeEscalation || !*c.ReadOnlyRootFilesystem ||
			!reflect.DeepEqual(c.Capabilities.Drop, []core.Capability{"ALL"}) {
			t.Errorf("the container is %+v", c)
		}
	}
}

// TestChartKeepsMetricsApart checks that no Service or Ingress leads to the metrics.
func TestChartKeepsMetricsApart(t *testing.T) {
	all := render(t, everything...)
	listen := core.EnvVar{Name: "LATCHKEY_METRICS_LISTEN", Value: "0.0.0.0:7071"}
	if env := all.Deployment.Spec.Template.Spec.Containers[0].Env; !slices.Contains(env, listen) {
		t.Errorf("the environment is %+v", env)
	}
	if ports := all.Service.Spec.Ports; len(ports) != 1 || ports[0].TargetPort.StrVal != "http" {
		t.Errorf("the service has the ports %+v", ports)
	}
	if ends := all.PodMonitor.Spec.PodMetricsEndpoints; len(ends) != 1 || *ends[0].Port != "metrics" {
		t.Errorf("the monitor reads %+v", ends)
	}
}

// TestChartKeepsSecretsInSecrets checks that only the Secret contains DSNs and the master
// key.
func TestChartKeepsSecretsInSecrets(t *testing.T) {
	all := render(t, everything...)
	if all.Secret.StringData["master-key"] != masterKey ||
		all.Secret.StringData["database"] == "" || all.Secret.StringData["redis"] == "" {
		t.Errorf("the secret has %d values", len(all.Secret.StringData))
	}
	text, err := yaml.Marshal(all.Deployment)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range all.Secret.StringData {
		if strings.Contains(string(text), secret) {
			t.Errorf("the deployment contains a secret:\n%s", text)
		}
	}
}

// TestChartRejectsInvalidValues checks that the error says why.
func TestChartRejectsInvalidValues(t *testing.T) {
	for values, want := range map[string]string{
		"":                                       "give existingSecret, or secret.database",
		"secret.database=postgres://db/latchkey": "secret.masterKey is missing",
		"existingSecret=a,secret.redis=redis://b": "not both",
		"secret.database=mysql://db/latchkey":     "secret",
		"existingSecret=a,limits=some":            "limits",
		"existingSecret=a,failMode=open":          "fail",
		"existingSecret=a,staleFor=1":             "stale",
		"existingSecret=a,ingress.enabled=true":   "ingress.host is missing",
		"existingSecret=a,replica=2":              "replica",
	} {
		args := []string{"prod", chart}
		if values != "" {
			args = append(args, "--set", values)
		}
		if out, err := helm(t, "template", args...); err == nil || !strings.Contains(out, want) {
			t.Errorf("%q: %v\n%s", values, err, out)
		}
	}
}

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

// chart is the chart's folder.
const chart = "../helm/latchkey"

// objects is a rendered chart, by kind.
type objects struct {
	Deployment              *apps.Deployment
	Service                 *core.Service
	ServiceAccount          *core.ServiceAccount
	Secret                  *core.Secret
	PodDisruptionBudget     *policy.PodDisruptionBudget
	Ingress                 *networking.Ingress
	HorizontalPodAutoscaler *autoscaling.HorizontalPodAutoscaler
	ServiceMonitor          *monitoring.ServiceMonitor
}

// helm runs helm on the chart as if for a cluster of the oldest version that the
// chart allows.
func helm(t *testing.T, command string, args ...string) (string, error) {
	t.Helper()
	program := need(t, "helm")
	full := append([]string{command}, args...)
	out, err := exec.Command(program, append(full, "--kube-version", "1.27.0")...).CombinedOutput()
	return string(out), err
}

// render renders the chart and reads every object as Kubernetes would that
// refuses fields it doesn't know.
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
			continue // comments alone
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

// everything turns on all that the chart can do.
var everything = []string{
	"--set", "secret.database=postgres://u:p@db/latchkey,secret.masterKey=" + masterKey + ",secret.redis=redis://valkey:6379",
	"--set", "autoscaling.enabled=true,serviceMonitor.enabled=true,serviceMonitor.labels.release=prometheus",
	"--set", "ingress.enabled=true,ingress.host=keys.example.com,ingress.tlsSecret=tls,ingress.className=nginx,ingress.annotations.a=b",
	"--set", "limits=fast,failMode=stale,staleFor=5m,trustedProxies={10.0.0.0/8,192.0.2.7/32},image.pullSecrets={registry}",
	"--set-string", "env.LATCHKEY_DEBUG=true",
	"--set", "podAnnotations.a=b,podLabels.c=d,nodeSelector.disk=ssd,serviceAccount.annotations.a=b,service.annotations.a=b",
	"--set-json", `tolerations=[{"key":"a","operator":"Exists"}]`,
	"--set-json", `affinity={"nodeAffinity":{}}`,
	"--set-json", `topologySpreadConstraints=[{"maxSkew":2,"topologyKey":"rack","whenUnsatisfiable":"DoNotSchedule"}]`,
}

func TestChartIsClean(t *testing.T) {
	for name, values := range map[string][]string{"least": {"--set", "existingSecret=latchkey"}, "everything": everything} {
		if out, err := helm(t, "lint", append([]string{chart, "--strict"}, values...)...); err != nil {
			t.Errorf("%s: %s", name, out)
		}
	}
}

func TestChartRendersWhatKubernetesKnows(t *testing.T) {
	least := render(t, "--set", "existingSecret=latchkey")
	if least.Deployment == nil || least.Service == nil || least.ServiceAccount == nil || least.PodDisruptionBudget == nil {
		t.Errorf("something is missing: %+v", least)
	}
	if least.Secret != nil || least.Ingress != nil || least.HorizontalPodAutoscaler != nil || least.ServiceMonitor != nil {
		t.Errorf("something was made that nobody asked for: %+v", least)
	}
	all := render(t, everything...)
	if rendered := reflect.ValueOf(all); slices.ContainsFunc(slices.Collect(fields(rendered)), reflect.Value.IsNil) {
		t.Errorf("something is missing: %+v", all)
	}
	if all.Deployment.Spec.Replicas != nil {
		t.Error("the deployment sets how many nodes there are, against the autoscaler")
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

// TestChartLosesNoNodeInARollingUpdate: a new node is there before an old one
// goes, and an old one has the time that it takes to stop.
func TestChartLosesNoNodeInARollingUpdate(t *testing.T) {
	d := render(t, "--set", "existingSecret=latchkey,drainSeconds=20").Deployment.Spec
	if update := d.Strategy.RollingUpdate; update.MaxUnavailable.IntValue() != 0 || update.MaxSurge.IntValue() < 1 {
		t.Errorf("the update is %+v", update)
	}
	pod := d.Template.Spec
	pause := core.EnvVar{Name: "LATCHKEY_DRAIN_DELAY", Value: "20s"}
	if !slices.Contains(pod.Containers[0].Env, pause) || *pod.TerminationGracePeriodSeconds < 20+patience+10 {
		t.Errorf("%d seconds to stop; the environment is %+v", *pod.TerminationGracePeriodSeconds, pod.Containers[0].Env)
	}
}

// patience is how many seconds latchkey serve gives requests that are under way
// when it is told to stop.
const patience = 30

// TestChartIsHardened: the pods meet the restricted pod security standard, and
// their file system is read only.
func TestChartIsHardened(t *testing.T) {
	for _, values := range [][]string{{"--set", "existingSecret=latchkey"}, everything} {
		pod := render(t, values...).Deployment.Spec.Template.Spec
		p, c := pod.SecurityContext, pod.Containers[0].SecurityContext
		if !*p.RunAsNonRoot || *p.RunAsUser == 0 || p.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault || *pod.AutomountServiceAccountToken {
			t.Errorf("the pod is %+v", p)
		}
		if *c.AllowPrivilegeEscalation || !*c.ReadOnlyRootFilesystem || !reflect.DeepEqual(c.Capabilities.Drop, []core.Capability{"ALL"}) {
			t.Errorf("the container is %+v", c)
		}
	}
}

// TestChartKeepsSecretsInSecrets: neither a DSN nor the master key is anywhere
// but in the Secret.
func TestChartKeepsSecretsInSecrets(t *testing.T) {
	all := render(t, everything...)
	if all.Secret.StringData["master-key"] != masterKey || all.Secret.StringData["database"] == "" || all.Secret.StringData["redis"] == "" {
		t.Errorf("the secret has %d values", len(all.Secret.StringData))
	}
	text, err := yaml.Marshal(all.Deployment)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range all.Secret.StringData {
		if strings.Contains(string(text), secret) {
			t.Errorf("the deployment holds a secret:\n%s", text)
		}
	}
}

// TestChartRefusesWhatCanNotWork, with a message that says why.
func TestChartRefusesWhatCanNotWork(t *testing.T) {
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

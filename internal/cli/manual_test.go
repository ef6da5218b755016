package cli

import (
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/latchkeyhq/latchkey"
)

func TestCommittedManualIsCurrent(t *testing.T) {
	committed, err := os.ReadFile("../../docs/cli.md")
	if err != nil || string(committed) != Manual() {
		t.Errorf("docs/cli.md is not what the commands say: run make generate (%v)", err)
	}
}

// byHand are the operations that have no command with a tag op: those with code of their own,
// and those that only latchkey call reaches, because people have no use for them.
var byHand = []string{
	"keys.verifyKey", "ratelimit.setOverride", "ratelimit.limit", "workspaces.createWorkspace",
	"rootKeys.createRootKey", "migrations.createMigration", "auditLogs.listAuditLogs",
	"auditLogs.verifyAuditLogs",
	"ratelimit.multiLimit", "keys.whoami", "apis.listKeys", "keys.migrateKeys",
	"keys.updateKeys", "keys.exportKeys", "keys.explainKey", "system.getHealth",
	"analytics.getVerifications",
	"analytics.getRatelimits", "usage.getTotals", "usage.getTimeseries", "liveness",
	// an end user calls them, with a portal session
	"portal.exchangeCode", "portal.listKeys", "portal.rerollKey", "portal.getVerifications",
	"budgets.spend", "budgets.reserve", "budgets.listEntries",
	// other names of operations that have a command
	"rootKeys.createKey", "rootKeys.listKeys", "rootKeys.updateKey", "rootKeys.deleteKey",
}

func TestEveryOperationHasACommand(t *testing.T) {
	found := map[string]bool{}
	for _, node := range leaves() {
		if op := node.Tag.Get("op"); op != "" {
			found[op] = true
		}
	}
	for op := range latchkey.Operations() {
		if found[op.Name] == slices.Contains(byHand, op.Name) {
			t.Errorf("%s: has a command: %v; listed as one without a tag: %v", op.Name, found[op.Name],
				!found[op.Name])
		}
		delete(found, op.Name)
	}
	for name := range found {
		t.Errorf("there is no operation %s", name)
	}
}

// TestCommandsSendFieldsThatExist holds the json tags of commands against the API's description.
func TestCommandsSendFieldsThatExist(t *testing.T) {
	fields := requestFields(t)
	for _, node := range leaves() {
		op := node.Tag.Get("op")
		if op == "" {
			continue
		}
		sent := append(jsonFields(node.Target.Type()), constants(node)...)
		for _, field := range sent {
			if !slices.Contains(fields[op], field) {
				t.Errorf("%s sends %q, which %s doesn't have", path(node), field, op)
			}
		}
		operation, _ := latchkey.LookupOperation(op)
		if _, listed := tables[op]; listed != operation.Paged {
			t.Errorf("%s: paged %v, table %v", op, operation.Paged, listed)
		}
		if operation.Paged && part[Paging](node.Target) == nil {
			t.Errorf("%s is a list and doesn't embed Paging", path(node))
		}
		if (part[Confirmed](node.Target) != nil) != (node.Tag.Get("confirm") != "") {
			t.Errorf("%s: the tag confirm and the embedded Confirmed need one another", path(node))
		}
	}
}

func leaves() []*kong.Node { return newParser(new(grammar), "data").Model.Leaves(false) }

func jsonFields(t reflect.Type) (names []string) {
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name != "" && name != "-" {
			names = append(names, name)
		}
	}
	return names
}

func constants(node *kong.Node) (names []string) {
	for pair := range strings.SplitSeq(node.Tag.Get("with"), ",") {
		if name, _, found := strings.Cut(pair, "="); found {
			names = append(names, name)
		}
	}
	return names
}

// requestFields are the fields of each operation's request in the API's description.
func requestFields(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("../server/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	type schema struct {
		Ref        string                     `json:"$ref"`
		Properties map[string]json.RawMessage `json:"properties"`
	}
	var document struct {
		Paths map[string]map[string]struct {
			RequestBody struct {
				Content map[string]struct{ Schema schema }
			} `json:"requestBody"`
		}
		Components struct{ Schemas map[string]schema }
	}
	if err := json.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	fields := map[string][]string{}
	for where, methods := range document.Paths {
		name := where[strings.LastIndex(where, "/")+1:]
		s := methods["post"].RequestBody.Content["application/json"].Schema
		if s.Ref != "" {
			s = document.Components.Schemas[s.Ref[strings.LastIndex(s.Ref, "/")+1:]]
		}
		for field := range s.Properties {
			fields[name] = append(fields[name], field)
		}
	}
	return fields
}

func TestHumanValues(t *testing.T) {
	for text, want := range map[string]string{
		"1000":        `{"remaining":1000}`,
		"5k/day":      `{"remaining":5000,"refill":{"interval":"daily","amount":5000}}`,
		"10/month":    `{"remaining":10,"refill":{"interval":"monthly","amount":10,"refillDay":1}}`,
		"10/month@15": `{"remaining":10,"refill":{"interval":"monthly","amount":10,"refillDay":15}}`,
		"unlimited":   `null`,
		"10/year":     "", "many": "", "-1": "", "10/day@3": "", "10/": "", "99999999999999m": "",
	} {
		same(t, text, want, new(credits))
	}
	for text, want := range map[string]string{
		"10/s":            `{"name":"requests","limit":10,"duration":1000,"autoApply":true}`,
		"tokens=5k/30d":   `{"name":"tokens","limit":5000,"duration":2592000000,"autoApply":true}`,
		"abc=1/5 minutes": `{"name":"abc","limit":1,"duration":300000,"autoApply":true}`,
		"10":              "", "10/": "", "/s": "", "10/-5m": "", "x/s": "", "10/999999y": "",
	} {
		same(t, text, want, new(limit))
	}
	for text, want := range map[string]string{
		"hour": `{"every":"hour"}`, "month": `{"every":"month"}`, "week@7": `{"every":"week","anchor":7}`,
		"month@31": `{"every":"month","anchor":31}`,
		"year":     "", "day@1": "", "month@0": "", "month@": "", "month@100": "", "": "",
	} {
		same(t, text, want, new(every))
	}
	for text, want := range map[string]string{
		"team=5k": `{"budget":"team","cost":5000}`, "team": `{"budget":"team"}`,
		"a=b=0": `{"budget":"a=b","cost":0}`, "team=": "", "team=-1": "", "=5": "", "team=many": "",
	} {
		same(t, text, want, new(cost))
	}
	for text, want := range map[string]string{
		"5m": "5000000", "-5k": "-5000", "0": "0", "--5": "", "1.5": "", "": "",
	} {
		same(t, text, want, new(whole))
	}
	for text, want := range map[string]string{
		"24h": "86400000", "7d": "604800000", "0": "0", "1h30m": "5400000", "soon": "", "-1h": "",
	} {
		same(t, text, want, new(grace))
	}
	for text, want := range map[string]string{
		"2099-01-31": "4073500800000", "2099-01-31T00:00:01Z": "4073500801000", "never": "null",
		"2020-01-01": "", "tomorrow": "", "1798437831": "",
	} {
		same(t, text, want, new(instant))
	}
}

// same compares the JSON of a value; "" is that it can't be read.
func same(t *testing.T, text, want string, value interface{ UnmarshalText([]byte) error }) {
	t.Helper()
	err := value.UnmarshalText([]byte(text))
	if want == "" {
		if err == nil {
			t.Errorf("%T accepts %q", value, text)
		}
		return
	}
	got, wrong := json.Marshal(value)
	if err != nil || wrong != nil || string(got) != want {
		t.Errorf("%T of %q is %s, %v, %v; want %s", value, text, got, err, wrong, want)
	}
}

package engine

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"strings"

	"github.com/latchkeyhq/latchkey"
)

// Ops are the operations of the API, in the order of [latchkey.Operations], each
// with the method and the types that it has here.
var Ops = bindAll(map[string]*Op{
	"apis.createApi": answers((*Engine).CreateAPI),
	"apis.getApi":    answers((*Engine).GetAPI),
	"apis.deleteApi": confirms((*Engine).DeleteAPI),
	"apis.listKeys":  pages((*Engine).ListKeys).hiding(unknownAPI),
	"apis.listApis":  pages((*Engine).ListAPIs),
	"apis.updateApi": answers((*Engine).UpdateAPI),

	"keys.createKey":         answers((*Engine).CreateKey).hiding(unknownAPI),
	"keys.getKey":            answers((*Engine).GetKey),
	"keys.whoami":            answers((*Engine).Whoami).hiding(noSuchKey),
	"keys.updateKey":         confirms((*Engine).UpdateKey),
	"keys.deleteKey":         confirms((*Engine).DeleteKey),
	"keys.verifyKey":         answers((*Engine).VerifyKey).hiding(noKey),
	"keys.rerollKey":         answers((*Engine).RerollKey),
	"keys.updateCredits":     answers((*Engine).UpdateCredits),
	"keys.addPermissions":    answers((*Engine).AddPermissions),
	"keys.removePermissions": answers((*Engine).RemovePermissions),
	"keys.setPermissions":    answers((*Engine).SetPermissions),
	"keys.addRoles":          answers((*Engine).AddRoles),
	"keys.removeRoles":       answers((*Engine).RemoveRoles),
	"keys.setRoles":          answers((*Engine).SetRoles),
	"keys.migrateKeys":       answers((*Engine).MigrateKeys),

	"identities.createIdentity": answers((*Engine).CreateIdentity),
	"identities.getIdentity":    answers((*Engine).GetIdentity),
	"identities.listIdentities": pages((*Engine).ListIdentities),
	"identities.updateIdentity": answers((*Engine).UpdateIdentity),
	"identities.deleteIdentity": succeeds((*Engine).DeleteIdentity),

	"permissions.createPermission":   answers((*Engine).CreatePermission),
	"permissions.getPermission":      answers((*Engine).GetPermission),
	"permissions.listPermissions":    pages((*Engine).ListPermissions),
	"permissions.updatePermission":   answers((*Engine).UpdatePermission),
	"permissions.deletePermission":   confirms((*Engine).DeletePermission),
	"permissions.createRole":         answers((*Engine).CreateRole),
	"permissions.getRole":            answers((*Engine).GetRole),
	"permissions.listRoles":          pages((*Engine).ListRoles),
	"permissions.updateRole":         answers((*Engine).UpdateRole),
	"permissions.deleteRole":         confirms((*Engine).DeleteRole),
	"permissions.setRolePermissions": answers((*Engine).SetRolePermissions),

	"ratelimit.limit":           answers((*Engine).Limit),
	"ratelimit.multiLimit":      answers((*Engine).MultiLimit),
	"ratelimit.setOverride":     answers((*Engine).SetOverride),
	"ratelimit.getOverride":     answers((*Engine).GetOverride).hiding(unknownOverride),
	"ratelimit.listOverrides":   pages((*Engine).ListOverrides),
	"ratelimit.deleteOverride":  confirms((*Engine).DeleteOverride),
	"ratelimit.listNamespaces":  pages((*Engine).ListNamespaces),
	"ratelimit.updateNamespace": answers((*Engine).UpdateNamespace),
	"ratelimit.deleteNamespace": confirms((*Engine).DeleteNamespace),

	"analytics.getVerifications": answers((*Engine).GetVerifications),
	"analytics.getRatelimits":    answers((*Engine).GetRatelimits),

	"workspaces.createWorkspace": answers((*Engine).CreateWorkspace),
	"workspaces.getWorkspace":    answers((*Engine).GetWorkspace),
	"workspaces.listWorkspaces":  pages((*Engine).ListWorkspaces),
	"workspaces.updateWorkspace": answers((*Engine).UpdateWorkspace),
	"workspaces.deleteWorkspace": confirms((*Engine).DeleteWorkspace),

	"rootKeys.createRootKey": answers((*Engine).CreateRootKey).hiding(unknownWorkspace),
	"rootKeys.listRootKeys":  pages((*Engine).ListRootKeys).hiding(unknownWorkspace),
	"rootKeys.updateRootKey": answers((*Engine).UpdateRootKey).hiding(noSuchRootKey),
	"rootKeys.deleteRootKey": confirms((*Engine).DeleteRootKey).hiding(noSuchRootKey),
	"rootKeys.whoami":        answers((*Engine).WhoamiRootKey),

	"migrations.createMigration": answers((*Engine).CreateMigration),

	"auditLogs.listAuditLogs": pages((*Engine).ListAuditLogs),

	"liveness": answers((*Engine).Liveness),
})

// hiding gives the answer for a thing that does not exist, which a caller gets
// that does not satisfy a masked rule.
func (op *Op) hiding(hidden func() *latchkey.Error) *Op {
	op.hidden = hidden
	return op
}

// bindAll joins the table with the methods. It panics where one of the two has an
// operation that the other doesn't, or where they disagree.
func bindAll(bound map[string]*Op) []*Op {
	var ops []*Op
	for declared := range latchkey.Operations() {
		op := bound[declared.Name]
		if op == nil {
			panic(declared.Name + " is bound to no method")
		}
		if err := op.bind(declared); err != nil {
			panic(fmt.Errorf("%s: %w", declared.Name, err))
		}
		delete(bound, declared.Name)
		ops = append(ops, op)
	}
	for name := range bound {
		panic(name + " is not declared")
	}
	return ops
}

// bind completes an operation with what the table declares of it.
func (op *Op) bind(declared *latchkey.Operation) error {
	op.Operation = *declared
	if op.pages != declared.Paged {
		return fmt.Errorf("the method answers with a page: %v; declared: %v", op.pages, declared.Paged)
	}
	always, bound := false, false
	for _, r := range declared.Rules {
		compiled, err := compileRule(r)
		if err != nil {
			return err
		}
		if r.Masked && op.hidden == nil {
			return errors.New("a rule is masked, and there is nothing to hide behind")
		}
		if r.When == "" {
			always, bound = true, bound || compiled.bound
		}
		op.rules = append(op.rules, compiled)
	}
	op.first = always && !bound
	return nil
}

// answers binds a method that answers with data.
func answers[Req, Res any](
	run func(*Engine, context.Context, Caller, *Req) (Res, error),
) *Op {
	op := newOp[Req]()
	op.Response = reflect.TypeFor[Res]()
	op.Method = nameOf(run)
	op.run = func(ctx context.Context, e *Engine, who Caller, request any) (Answer, error) {
		data, err := run(e, ctx, who, request.(*Req))
		if err != nil {
			return Answer{}, err
		}
		return Answer{Data: data}, nil
	}
	return op
}

// pages binds a method that answers with a page of a list.
func pages[Req, Item any](
	run func(*Engine, context.Context, Caller, *Req) (latchkey.Page[Item], error),
) *Op {
	op := newOp[Req]()
	op.Response, op.pages = reflect.TypeFor[[]Item](), true
	op.Method = nameOf(run)
	op.run = func(ctx context.Context, e *Engine, who Caller, request any) (Answer, error) {
		page, err := run(e, ctx, who, request.(*Req))
		if err != nil {
			return Answer{}, err
		}
		return Answer{Data: page.Data, Pagination: &page.Pagination}, nil
	}
	return op
}

// confirms binds a method that answers with an empty object.
func confirms[Req any](run func(*Engine, context.Context, Caller, *Req) error) *Op {
	op := succeeds(run)
	op.Response = reflect.TypeFor[latchkey.Empty]()
	op.run = func(ctx context.Context, e *Engine, who Caller, request any) (Answer, error) {
		if err := run(e, ctx, who, request.(*Req)); err != nil {
			return Answer{}, err
		}
		return Answer{Data: latchkey.Empty{}}, nil
	}
	return op
}

// succeeds binds a method whose answer has no data, not even an empty object.
func succeeds[Req any](run func(*Engine, context.Context, Caller, *Req) error) *Op {
	op := newOp[Req]()
	op.Method = nameOf(run)
	op.run = func(ctx context.Context, e *Engine, who Caller, request any) (Answer, error) {
		return Answer{}, run(e, ctx, who, request.(*Req))
	}
	return op
}

// nameOf returns the name of a method of the engine.
func nameOf(method any) string {
	name := runtime.FuncForPC(reflect.ValueOf(method).Pointer()).Name()
	return name[strings.LastIndexByte(name, '.')+1:]
}

func newOp[Req any]() *Op {
	return &Op{Request: reflect.TypeFor[Req](), pointer: reflect.TypeFor[*Req]()}
}

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

// Ops are the operations of the API, in the order of [latchkey.Operations],
// each bound to its method and types.
var Ops = bindAll(map[string]*Op{
	"apis.createApi": bindData((*Engine).CreateAPI),
	"apis.getApi":    bindData((*Engine).GetAPI),
	"apis.deleteApi": bindEmpty((*Engine).DeleteAPI).revoking(),
	"apis.listKeys":  bindPage((*Engine).ListKeys).masking(apiNotFound),
	"apis.listApis":  bindPage((*Engine).ListAPIs),
	"apis.updateApi": bindData((*Engine).UpdateAPI),

	"keys.createKey":         bindData((*Engine).CreateKey).masking(apiNotFound),
	"keys.getKey":            bindData((*Engine).GetKey),
	"keys.listKeys":          bindPage((*Engine).FindKeys),
	"keys.whoami":            bindData((*Engine).Whoami).masking(presentedKeyNotFound),
	"keys.updateKey":         bindEmpty((*Engine).UpdateKey).revokingWhen(restricts),
	"keys.updateKeys":        bindData((*Engine).UpdateKeys).revokingWhen(restrictsMany),
	"keys.deleteKey":         bindEmpty((*Engine).DeleteKey).revoking(),
	"keys.restoreKey":        bindEmpty((*Engine).RestoreKey),
	"keys.verifyKey":         bindData((*Engine).VerifyKey).masking(keyNotFound),
	"keys.explainKey":        bindData((*Engine).ExplainKey).masking(keyNotFound),
	"keys.rerollKey":         bindData((*Engine).RerollKey).revoking(),
	"keys.updateCredits":     bindData((*Engine).UpdateCredits),
	"keys.addPermissions":    bindData((*Engine).AddPermissions),
	"keys.removePermissions": bindData((*Engine).RemovePermissions).revoking(),
	"keys.setPermissions":    bindData((*Engine).SetPermissions).revokingWhen(clears),
	"keys.addRoles":          bindData((*Engine).AddRoles),
	"keys.removeRoles":       bindData((*Engine).RemoveRoles).revoking(),
	"keys.setRoles":          bindData((*Engine).SetRoles).revokingWhen(clears),
	"keys.exportKeys":        bindPage((*Engine).ExportKeys),
	"keys.migrateKeys":       bindData((*Engine).MigrateKeys),

	"identities.createIdentity": bindData((*Engine).CreateIdentity),
	"identities.getIdentity":    bindData((*Engine).GetIdentity),
	"identities.listIdentities": bindPage((*Engine).ListIdentities),
	"identities.updateIdentity": bindData((*Engine).UpdateIdentity).revokingWhen(suspends),
	"identities.deleteIdentity": bindNoData((*Engine).DeleteIdentity),

	"permissions.createPermission":   bindData((*Engine).CreatePermission),
	"permissions.getPermission":      bindData((*Engine).GetPermission),
	"permissions.listPermissions":    bindPage((*Engine).ListPermissions),
	"permissions.updatePermission":   bindData((*Engine).UpdatePermission),
	"permissions.deletePermission":   bindEmpty((*Engine).DeletePermission).revoking(),
	"permissions.createRole":         bindData((*Engine).CreateRole),
	"permissions.getRole":            bindData((*Engine).GetRole),
	"permissions.listRoles":          bindPage((*Engine).ListRoles),
	"permissions.updateRole":         bindData((*Engine).UpdateRole),
	"permissions.deleteRole":         bindEmpty((*Engine).DeleteRole).revoking(),
	"permissions.setRolePermissions": bindData((*Engine).SetRolePermissions).revokingWhen(clears),

	"ratelimit.limit":           bindData((*Engine).Limit),
	"ratelimit.multiLimit":      bindData((*Engine).MultiLimit),
	"ratelimit.setOverride":     bindData((*Engine).SetOverride),
	"ratelimit.getOverride":     bindData((*Engine).GetOverride).masking(overrideNotFound),
	"ratelimit.explainOverride": bindData((*Engine).ExplainOverride),
	"ratelimit.listOverrides":   bindPage((*Engine).ListOverrides),
	"ratelimit.deleteOverride":  bindEmpty((*Engine).DeleteOverride),
	"ratelimit.listNamespaces":  bindPage((*Engine).ListNamespaces),
	"ratelimit.updateNamespace": bindData((*Engine).UpdateNamespace),
	"ratelimit.deleteNamespace": bindEmpty((*Engine).DeleteNamespace),

	"analytics.getVerifications": bindData((*Engine).GetVerifications),
	"analytics.getRatelimits":    bindData((*Engine).GetRatelimits),

	"usage.getTotals":     bindData((*Engine).GetUsageTotals),
	"usage.getTimeseries": bindData((*Engine).GetUsageTimeseries),
	"usage.listEvents":    bindPage((*Engine).ListEvents),

	"workspace.getLimits": bindData((*Engine).GetLimits),
	"workspace.getUsage":  bindData((*Engine).GetUsage),

	"system.getHealth": bindData((*Engine).GetHealth),

	"workspaces.createWorkspace": bindData((*Engine).CreateWorkspace),
	"workspaces.getWorkspace":    bindData((*Engine).GetWorkspace),
	"workspaces.listWorkspaces":  bindPage((*Engine).ListWorkspaces),
	"workspaces.updateWorkspace": bindData((*Engine).UpdateWorkspace).revoking(),
	"workspaces.deleteWorkspace": bindEmpty((*Engine).DeleteWorkspace).revoking(),

	"rootKeys.createKey": bindData((*Engine).RootKeysCreateKey),
	"rootKeys.listKeys":  bindPage((*Engine).RootKeysListKeys),
	"rootKeys.updateKey": bindEmpty((*Engine).RootKeysUpdateKey).masking(
		rootKeyNotFound,
	).revoking(),
	"rootKeys.rerollKey": bindData((*Engine).RootKeysRerollKey).masking(
		rootKeyNotFound,
	).revoking(),
	"rootKeys.deleteKey": bindEmpty((*Engine).RootKeysDeleteKey).masking(
		rootKeyNotFound,
	).revoking(),
	"rootKeys.createRootKey": bindData((*Engine).CreateRootKey).masking(workspaceNotFound),
	"rootKeys.listRootKeys":  bindPage((*Engine).ListRootKeys).masking(workspaceNotFound),
	"rootKeys.updateRootKey": bindData((*Engine).UpdateRootKey).masking(rootKeyNotFound).revoking(),
	"rootKeys.deleteRootKey": bindEmpty((*Engine).DeleteRootKey).masking(
		rootKeyNotFound,
	).revoking(),
	"rootKeys.whoami": bindData((*Engine).WhoamiRootKey),

	"migrations.createMigration": bindData((*Engine).CreateMigration),

	"auditLogs.listAuditLogs":   bindPage((*Engine).ListAuditLogs),
	"auditLogs.verifyAuditLogs": bindData((*Engine).VerifyAuditLogs),

	"portal.createPortal": bindData((*Engine).CreatePortal),
	"portal.getPortal":    bindData((*Engine).GetPortal).masking(portalNotFound),
	"portal.updatePortal": bindData((*Engine).UpdatePortal).masking(
		portalNotFound,
	).revokingWhen(closes),
	"portal.deletePortal":  bindEmpty((*Engine).DeletePortal).masking(portalNotFound).revoking(),
	"portal.createSession": bindData((*Engine).CreatePortalSession).masking(portalNotFound),
	"portal.listSessions":  bindPage((*Engine).ListPortalSessions).masking(portalNotFound),
	"portal.revokeSession": bindData((*Engine).RevokePortalSessions).masking(
		portalNotFound,
	).revoking(),
	"portal.exchangeCode":     bindData((*Engine).ExchangePortalCode),
	"portal.listKeys":         bindPage((*Engine).ListPortalKeys),
	"portal.rerollKey":        bindData((*Engine).RerollPortalKey).revoking(),
	"portal.getVerifications": bindData((*Engine).GetPortalVerifications),

	"webhooks.createWebhook":   bindData((*Engine).CreateWebhook),
	"webhooks.getWebhook":      bindData((*Engine).GetWebhook),
	"webhooks.listWebhooks":    bindPage((*Engine).ListWebhooks),
	"webhooks.updateWebhook":   bindData((*Engine).UpdateWebhook),
	"webhooks.deleteWebhook":   bindEmpty((*Engine).DeleteWebhook),
	"webhooks.rotateSecret":    bindData((*Engine).RotateWebhookSecret),
	"webhooks.sendTest":        bindData((*Engine).SendTestWebhook),
	"webhooks.listDeliveries":  bindPage((*Engine).ListWebhookDeliveries),
	"webhooks.resendDelivery":  bindEmpty((*Engine).ResendWebhookDelivery),
	"budgets.createBudget":     bindData((*Engine).CreateBudget),
	"budgets.getBudget":        bindData((*Engine).GetBudget),
	"budgets.listBudgets":      bindPage((*Engine).ListBudgets),
	"budgets.updateBudget":     bindEmpty((*Engine).UpdateBudget),
	"budgets.deleteBudget":     bindEmpty((*Engine).DeleteBudget),
	"budgets.grant":            bindData((*Engine).Grant),
	"budgets.attach":           bindEmpty((*Engine).Attach),
	"budgets.detach":           bindEmpty((*Engine).Detach),
	"budgets.listAttachments":  bindPage((*Engine).ListAttachments),
	"budgets.spend":            bindData((*Engine).Spend),
	"budgets.reserve":          bindData((*Engine).Reserve),
	"budgets.settle":           bindData((*Engine).Settle),
	"budgets.release":          bindData((*Engine).Release),
	"budgets.extend":           bindData((*Engine).Extend),
	"budgets.getReservation":   bindData((*Engine).GetReservation),
	"budgets.listReservations": bindPage((*Engine).ListReservations),
	"budgets.listEntries":      bindPage((*Engine).ListEntries),

	"self.getKey":    bindData((*Engine).GetSelfKey),
	"self.rerollKey": bindData((*Engine).RerollSelfKey).revoking(),
	"self.revokeKey": bindEmpty((*Engine).RevokeSelfKey).revoking(),

	"liveness": bindData((*Engine).Liveness),
})

// masking sets the error of an object that does not exist, which callers get
// that don't satisfy a masked rule.
func (op *Op) masking(notFound func() *latchkey.Error) *Op {
	op.notFound = notFound
	return op
}

// revoking marks an operation whose changes take access away. They go before
// the changes of other requests.
func (op *Op) revoking() *Op { return op.revokingWhen(func(any) bool { return true }) }

// revokingWhen is revoking for those requests that take access away.
func (op *Op) revokingWhen(is func(request any) bool) *Op {
	op.revokes = is
	return op
}

// restricts reports whether a request to update a key disables it or sets an expiry, and
// asks for nothing that takes long.
func restricts(request any) bool {
	r := request.(*latchkey.UpdateKeyRequest)
	_, expires := r.Expires.Get()
	light := r.Permissions.IsZero() && r.Roles.IsZero() && r.Ratelimits.IsZero()
	return light && (expires || !r.Enabled.Or(true))
}

// restrictsMany is restricts for many keys, of which each part is small.
func restrictsMany(request any) bool {
	r := request.(*latchkey.UpdateKeysRequest)
	_, expires := r.Expires.Get()
	return r.ExternalID.IsZero() && (expires || !r.Enabled.Or(true))
}

// suspends reports whether a request disables an identity, and asks for nothing that takes
// long.
func suspends(request any) bool {
	r := request.(*latchkey.UpdateIdentityRequest)
	return r.Ratelimits.IsZero() && !r.Enabled.Or(true)
}

// closes reports whether a request disables a portal.
func closes(request any) bool {
	return !request.(*latchkey.UpdatePortalRequest).Enabled.Or(true)
}

// clears reports whether a request replaces permissions or roles by none.
func clears(request any) bool {
	switch r := request.(type) {
	case *latchkey.SetPermissionsRequest:
		return len(r.Permissions) == 0
	case *latchkey.SetRolesRequest:
		return len(r.Roles) == 0
	case *latchkey.SetRolePermissionsRequest:
		return len(r.Permissions) == 0
	}
	return false
}

// bindAll joins the table of operations with the methods. It panics if an
// operation is missing on one side, or if the two disagree.
func bindAll(bound map[string]*Op) []*Op {
	var ops []*Op
	for declared := range latchkey.Operations() {
		op := bound[declared.Name]
		if op == nil {
			panic(declared.Name + " has no method")
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

// bind adds the declaration of an operation to its binding.
func (op *Op) bind(declared *latchkey.Operation) error {
	op.Operation = *declared
	if op.paged != declared.Paged {
		return fmt.Errorf("the method returns a page: %v; declared: %v", op.paged, declared.Paged)
	}
	always, bound := false, false
	for _, r := range declared.Rules {
		compiled, err := compileRule(r)
		if err != nil {
			return err
		}
		if r.Masked && op.notFound == nil {
			return errors.New("a rule is masked, but the binding has no error for it")
		}
		if r.When == "" {
			always, bound = true, bound || compiled.bound
		}
		op.rules = append(op.rules, compiled)
	}
	op.authorizeFirst = always && !bound
	return nil
}

// bindData binds a method that returns data.
func bindData[Req, Res any](
	run func(*Engine, context.Context, Caller, *Req) (Res, error),
) *Op {
	op := newOp[Req]()
	op.Response = reflect.TypeFor[Res]()
	op.Method = nameOf(run)
	op.run = func(ctx context.Context, e *Engine, who Caller, request any) (Response, error) {
		data, err := run(e, ctx, who, request.(*Req))
		if err != nil {
			return Response{}, err
		}
		return Response{Data: data}, nil
	}
	return op
}

// bindPage binds a method that returns a page of a list.
func bindPage[Req, Item any](
	run func(*Engine, context.Context, Caller, *Req) (latchkey.Page[Item], error),
) *Op {
	op := newOp[Req]()
	op.Response, op.paged = reflect.TypeFor[[]Item](), true
	op.Method = nameOf(run)
	op.run = func(ctx context.Context, e *Engine, who Caller, request any) (Response, error) {
		page, err := run(e, ctx, who, request.(*Req))
		if err != nil {
			return Response{}, err
		}
		return Response{Data: page.Data, Pagination: &page.Pagination}, nil
	}
	return op
}

// bindEmpty binds a method whose response is an empty object.
func bindEmpty[Req any](run func(*Engine, context.Context, Caller, *Req) error) *Op {
	op := bindNoData(run)
	op.Response = reflect.TypeFor[latchkey.Empty]()
	op.run = func(ctx context.Context, e *Engine, who Caller, request any) (Response, error) {
		if err := run(e, ctx, who, request.(*Req)); err != nil {
			return Response{}, err
		}
		return Response{Data: latchkey.Empty{}}, nil
	}
	return op
}

// bindNoData binds a method whose response has no data.
func bindNoData[Req any](run func(*Engine, context.Context, Caller, *Req) error) *Op {
	op := newOp[Req]()
	op.Method = nameOf(run)
	op.run = func(ctx context.Context, e *Engine, who Caller, request any) (Response, error) {
		return Response{}, run(e, ctx, who, request.(*Req))
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

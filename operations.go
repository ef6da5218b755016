package latchkey

// nature is what sending an operation twice would do.
type nature uint8

const (
	// writes change something: done twice, they leave two of it.
	writes nature = iota
	// reads change nothing.
	reads
	// counts take from a balance or a limit. They are as unsafe to repeat as
	// writes, but carry an Idempotency-Key only if the caller gives one: to
	// remember the answer, the service has to write it to disk, and these are
	// the calls that must be fast.
	counts
)

// natures says of the operations what they are; those that are missing, and
// those this client doesn't know, are writes.
var natures = map[string]nature{
	"apis.getApi":                 reads,
	"apis.listKeys":               reads,
	"apis.listApis":               reads,
	"keys.getKey":                 reads,
	"keys.whoami":                 reads,
	"keys.verifyKey":              counts,
	"identities.getIdentity":      reads,
	"identities.listIdentities":   reads,
	"permissions.getPermission":   reads,
	"permissions.listPermissions": reads,
	"permissions.getRole":         reads,
	"permissions.listRoles":       reads,
	"ratelimit.limit":             counts,
	"ratelimit.multiLimit":        counts,
	"ratelimit.getOverride":       reads,
	"ratelimit.listOverrides":     reads,
	"ratelimit.listNamespaces":    reads,
	"analytics.getVerifications":  reads,
	"analytics.getRatelimits":     reads,
	"workspaces.getWorkspace":     reads,
	"workspaces.listWorkspaces":   reads,
	"rootKeys.listRootKeys":       reads,
	"auditLogs.listAuditLogs":     reads,
	"liveness":                    reads,
}

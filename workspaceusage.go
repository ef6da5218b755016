package latchkey

import "context"

// WorkspaceLimitsRequest asks for the limits of the caller's workspace.
type WorkspaceLimitsRequest struct{}

// WorkspaceLimits are the limits of a workspace.
type WorkspaceLimits struct {
	// BillableOperations are the valid verifications and passed rate limits of a calendar month (UTC).
	// They are not limited; current is their number in this month, a minute late.
	BillableOperations WorkspaceLimit `json:"apiBillableOperationsCountMaxPerMonth" check:"required"`
	// RequestsPerMinute are the API requests in a minute.
	RequestsPerMinute WorkspaceLimit `json:"apiRequestsCountMaxPerMinute" check:"required"`
	// LogsRetentionDays is how many days back request logs can be queried; always null.
	LogsRetentionDays WorkspaceLimit `json:"logsRetentionDaysMax" check:"required"`
	// AuditRetentionDays is how many days the audit log is kept.
	AuditRetentionDays WorkspaceLimit `json:"logsAuditRetentionDaysMax" check:"required"`
	// Logdrains is the number of log drains; there are none.
	Logdrains WorkspaceLimit `json:"logdrainsMax" check:"required"`
}

// WorkspaceLimit is a limit of a workspace.
type WorkspaceLimit struct {
	// Limit is the largest number; null for no limit.
	Limit Opt[int64] `json:"limit" check:"required,null"`
	// Current is the number now, of limits that have one.
	Current Opt[int64] `json:"current,omitzero"`
}

// WorkspaceUsageRequest asks for the usage of the caller's workspace in a month.
type WorkspaceUsageRequest struct {
	// Period is the month; by default this month until now. It must have begun within the last 90
	// days.
	Period *UsageMonth `json:"period,omitempty"`
}

// UsageMonth is a calendar month in UTC.
type UsageMonth struct {
	// Year is the year, for example 2026.
	Year int `json:"year" check:"required,min=1970,max=9999"`
	// Month is the month, from 1 for January to 12 for December.
	Month int `json:"month" check:"required,min=1,max=12"`
}

// WorkspaceUsage is the usage of a workspace in a month. The parts besides Totals.API are those
// of products that this service doesn't have, and always zero or empty.
type WorkspaceUsage struct {
	// Period is the time that the usage covers.
	Period UsagePeriod `json:"period" check:"required"`
	// Totals are the sums of the period.
	Totals UsageTotals `json:"totals" check:"required"`
	// Breakdowns are empty.
	Breakdowns UsageBreakdowns `json:"breakdowns" check:"required"`
}

// UsagePeriod is the time that a usage covers.
type UsagePeriod struct {
	// Start is the beginning of the month, in unix milliseconds.
	Start Time `json:"start" check:"required"`
	// End is the beginning of the next month, or now in the current month, in unix milliseconds.
	End Time `json:"end" check:"required"`
}

// UsageTotals are the sums of a period.
type UsageTotals struct {
	// API are the operations that Unkey bills.
	API UsageOfAPI `json:"api" check:"required"`
	// Compute is always zero.
	Compute UsageOfCompute `json:"compute" check:"required"`
	// Gateway is always zero.
	Gateway UsageOfGateway `json:"gateway" check:"required"`
}

// UsageOfAPI are numbers of operations.
type UsageOfAPI struct {
	// Verifications is the number of valid verifications.
	Verifications int64 `json:"verifications" check:"required"`
	// Ratelimits is the number of calls of ratelimit.limit and multiLimit that passed.
	Ratelimits int64 `json:"ratelimits" check:"required"`
}

// UsageOfCompute is always zero.
type UsageOfCompute struct {
	// CPUSeconds is always 0.
	CPUSeconds int64 `json:"cpuSeconds" check:"required"`
	// MemoryGiBHours is always 0.
	MemoryGiBHours int64 `json:"memoryGiBHours" check:"required"`
	// StorageGiBHours is always 0.
	StorageGiBHours int64 `json:"storageGiBHours" check:"required"`
	// EgressGiB is always 0.
	EgressGiB int64 `json:"egressGiB" check:"required"`
}

// UsageOfGateway is always zero.
type UsageOfGateway struct {
	// ActiveKeys is always 0.
	ActiveKeys int64 `json:"activeKeys" check:"required"`
}

// UsageBreakdowns are empty lists.
type UsageBreakdowns struct {
	// ByEnvironment is always empty.
	ByEnvironment []Empty `json:"byEnvironment" check:"required"`
	// ByApp is always empty.
	ByApp []Empty `json:"byApp" check:"required"`
}

// GetLimits reads the limits of the caller's workspace.
func (s Workspaces) GetLimits(ctx context.Context, opts ...CallOption) (WorkspaceLimits, error) {
	return call[WorkspaceLimits](ctx, s.c, "workspace.getLimits", &WorkspaceLimitsRequest{}, opts)
}

// GetUsage reads what the caller's workspace used in a month.
func (s Workspaces) GetUsage(
	ctx context.Context, r WorkspaceUsageRequest, opts ...CallOption,
) (WorkspaceUsage, error) {
	return call[WorkspaceUsage](ctx, s.c, "workspace.getUsage", &r, opts)
}

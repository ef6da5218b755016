package server

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"math"
	"net/http"
	"strings"

	"github.com/latchkeyhq/latchkey"
	"github.com/latchkeyhq/latchkey/internal/engine"
)

// v1Limit is the name of the one limit that a key has in version 1.
const v1Limit = "default"

// v1Ratelimit is the limit of a key. Of its two generations of names, the later one counts.
type v1Ratelimit struct {
	Async          bool               `json:"async"`
	Type           string             `json:"type"`
	Limit          int64              `json:"limit"`
	RefillRate     int64              `json:"refillRate"`
	RefillInterval latchkey.Duration  `json:"refillInterval"`
	Duration       *latchkey.Duration `json:"duration"`
}

// request returns the limit in version 2.
func (l *v1Ratelimit) request() latchkey.RatelimitRequest {
	r := latchkey.RatelimitRequest{
		Name: v1Limit, Limit: l.Limit, Duration: l.RefillInterval, AutoApply: latchkey.Set(true),
	}
	if l.Duration != nil {
		r.Duration = *l.Duration
	}
	return r
}

func v1RatelimitOf(l latchkey.Ratelimit) *v1Ratelimit {
	return &v1Ratelimit{
		Type: "fast", Async: true, Limit: l.Limit, RefillRate: l.Limit,
		RefillInterval: l.Duration, Duration: &l.Duration,
	}
}

// v1Refill is the schedule of a balance. The generated clients send the day with a decimal
// point.
type v1Refill struct {
	Interval  latchkey.RefillInterval `json:"interval"`
	Amount    int64                   `json:"amount"`
	RefillDay *float64                `json:"refillDay"`
}

// request returns the schedule in version 2. A monthly refill without a day is on the first.
func (r *v1Refill) request() (latchkey.Refill, error) {
	refill := latchkey.Refill{Interval: r.Interval, Amount: r.Amount}
	if r.Interval == latchkey.Monthly {
		refill.RefillDay = 1
	}
	if r.RefillDay != nil {
		day := *r.RefillDay
		switch {
		case r.Interval == latchkey.Daily:
			return refill, badV1("refillDay is only for a monthly refill")
		case day < 1 || day > 31 || day != math.Trunc(day):
			return refill, badV1("refillDay must be a whole number from 1 to 31")
		}
		refill.RefillDay = int(day)
	}
	return refill, nil
}

// v1Identity is the owner of a key.
type v1Identity struct {
	ID         string        `json:"id"`
	ExternalID string        `json:"externalId"`
	Meta       latchkey.Meta `json:"meta"`
}

func v1IdentityOf(i *latchkey.Identity) *v1Identity {
	if i == nil {
		return nil
	}
	return &v1Identity{i.ID, i.ExternalID, cmp.Or(i.Meta, "{}")}
}

// v1Key is a key.
type v1Key struct {
	ID          string              `json:"id"`
	Start       string              `json:"start"`
	WorkspaceID string              `json:"workspaceId"`
	APIID       string              `json:"apiId,omitempty"`
	Name        string              `json:"name,omitempty"`
	OwnerID     string              `json:"ownerId,omitempty"`
	Meta        latchkey.Meta       `json:"meta,omitempty"`
	CreatedAt   latchkey.Time       `json:"createdAt"`
	UpdatedAt   latchkey.Time       `json:"updatedAt,omitzero"`
	Expires     latchkey.Time       `json:"expires,omitzero"`
	Remaining   latchkey.Opt[int64] `json:"remaining,omitzero"`
	Refill      *latchkey.Refill    `json:"refill,omitempty"`
	Ratelimit   *v1Ratelimit        `json:"ratelimit,omitempty"`
	Roles       []string            `json:"roles,omitempty"`
	Permissions []string            `json:"permissions,omitempty"`
	Enabled     bool                `json:"enabled"`
	Identity    *v1Identity         `json:"identity,omitempty"`
	Plaintext   string              `json:"plaintext,omitempty"`
}

func (v *v1) keyOf(k latchkey.Key, api string) v1Key {
	key := v1Key{
		ID: k.KeyID, Start: k.Start, WorkspaceID: v.workspace, APIID: api, Name: k.Name,
		OwnerID: k.ExternalID(), Meta: k.Meta, CreatedAt: k.CreatedAt, UpdatedAt: k.UpdatedAt,
		Expires: k.Expires, Roles: k.Roles, Permissions: k.Permissions, Enabled: k.Enabled,
		Identity: v1IdentityOf(k.Identity), Plaintext: k.Plaintext,
	}
	if k.Credits != nil {
		key.Remaining, key.Refill = k.Credits.Remaining, k.Credits.Refill
	}
	for _, l := range k.Ratelimits {
		if l.Name == v1Limit {
			key.Ratelimit = v1RatelimitOf(l)
		}
	}
	return key
}

type v1CreateKey struct {
	APIID       string              `json:"apiId"`
	Prefix      string              `json:"prefix"`
	Name        string              `json:"name"`
	ByteLength  int                 `json:"byteLength"`
	OwnerID     string              `json:"ownerId"`
	ExternalID  string              `json:"externalId"`
	Meta        *latchkey.Meta      `json:"meta"`
	Roles       []string            `json:"roles"`
	Permissions []string            `json:"permissions"`
	Expires     latchkey.Time       `json:"expires"`
	Remaining   latchkey.Opt[int64] `json:"remaining"`
	Refill      *v1Refill           `json:"refill"`
	Ratelimit   *v1Ratelimit        `json:"ratelimit"`
	Enabled     latchkey.Opt[bool]  `json:"enabled"`
	Recoverable bool                `json:"recoverable"`
}

// owner is the external id of a request, under its later or its older name.
func (r *v1CreateKey) owner() string { return cmp.Or(r.ExternalID, r.OwnerID) }

// meta is metadata that a request can leave out or set to null.
func meta(m *latchkey.Meta) latchkey.Meta {
	if m == nil {
		return ""
	}
	return *m
}

// credits returns the balance of a new key, nil for none.
func (r *v1CreateKey) credits() (*latchkey.Credits, error) {
	n, limited := r.Remaining.Get()
	switch {
	case limited && n == 0:
		return nil, badV1("remaining must be at least 1")
	case !limited && r.Refill != nil:
		return nil, badV1("refill needs remaining")
	case !limited:
		return nil, nil
	case r.Refill == nil:
		return &latchkey.Credits{Remaining: r.Remaining}, nil
	}
	refill, err := r.Refill.request()
	return &latchkey.Credits{Remaining: r.Remaining, Refill: &refill}, err
}

func (v *v1) createKey(r *v1CreateKey) (any, error) {
	credits, err := r.credits()
	if err != nil {
		return nil, err
	}
	request := &latchkey.CreateKeyRequest{
		APIID: r.APIID, Prefix: r.Prefix, Name: r.Name, ByteLength: r.ByteLength,
		ExternalID: r.owner(), Meta: meta(r.Meta), Roles: r.Roles, Permissions: r.Permissions,
		Expires: r.Expires, Credits: credits, Recoverable: r.Recoverable,
	}
	if on, given := r.Enabled.Get(); given {
		request.Enabled = latchkey.Set(on)
	}
	if r.Ratelimit != nil {
		request.Ratelimits = []latchkey.RatelimitRequest{r.Ratelimit.request()}
	}
	return ask[latchkey.CreatedKey](v, "keys.createKey", request)
}

type v1VerifyKey struct {
	APIID         string   `json:"apiId"`
	Key           string   `json:"key"`
	Tags          []string `json:"tags"`
	Authorization *struct {
		Permissions *v1PermissionQuery `json:"permissions"`
	} `json:"authorization"`
	Remaining *struct {
		Cost latchkey.Opt[int64] `json:"cost"`
	} `json:"remaining"`
	Ratelimit *struct {
		Cost latchkey.Opt[int64] `json:"cost"`
	} `json:"ratelimit"`
	Ratelimits []latchkey.VerifyKeyRatelimit `json:"ratelimits"`
}

// request returns the request in version 2.
func (r *v1VerifyKey) request() *latchkey.VerifyKeyRequest {
	request := &latchkey.VerifyKeyRequest{Key: r.Key, Tags: r.Tags, Ratelimits: r.Ratelimits}
	if r.Remaining != nil {
		if cost, given := r.Remaining.Cost.Get(); given {
			request.Credits = &latchkey.VerifyKeyCredits{Cost: latchkey.Set(cost)}
		}
	}
	if r.Authorization != nil && r.Authorization.Permissions != nil {
		request.Permissions = latchkey.PermissionQuery(r.Authorization.Permissions.text)
	}
	if r.Ratelimit != nil {
		if cost, given := r.Ratelimit.Cost.Get(); given {
			request.Ratelimits = append([]latchkey.VerifyKeyRatelimit{
				{Name: v1Limit, Cost: latchkey.Set(cost)},
			}, r.Ratelimits...)
		}
	}
	return request
}

type v1RatelimitState struct {
	Limit     int64         `json:"limit"`
	Remaining int64         `json:"remaining"`
	Reset     latchkey.Time `json:"reset"`
}

type v1Verification struct {
	KeyID       string              `json:"keyId,omitempty"`
	Valid       bool                `json:"valid"`
	Code        string              `json:"code"`
	Name        string              `json:"name,omitempty"`
	OwnerID     string              `json:"ownerId,omitempty"`
	Meta        latchkey.Meta       `json:"meta,omitempty"`
	Expires     latchkey.Time       `json:"expires,omitzero"`
	Remaining   latchkey.Opt[int64] `json:"remaining,omitzero"`
	Ratelimit   *v1RatelimitState   `json:"ratelimit,omitempty"`
	Enabled     latchkey.Opt[bool]  `json:"enabled,omitzero"`
	Permissions []string            `json:"permissions,omitempty"`
	Roles       []string            `json:"roles,omitempty"`
	Identity    *v1Identity         `json:"identity,omitempty"`
	RequestID   string              `json:"requestId"`
}

func (v *v1) verifyKey(r *v1VerifyKey) (any, error) {
	request := r.request()
	seen, err := v.verify(r.APIID, request)
	if isPrecondition(err) && r.Ratelimit != nil && request.Ratelimits[0].Name == v1Limit {
		// Nothing was counted. In version 1 the cost means nothing to a key without a limit.
		request.Ratelimits = request.Ratelimits[1:]
		seen, err = v.verify(r.APIID, request)
	}
	if err != nil {
		return nil, err
	}
	answer := v1Verification{
		KeyID: seen.KeyID, Valid: seen.Valid, Code: v.code(string(seen.Code)), Name: seen.Name,
		OwnerID: seen.ExternalID(), Meta: seen.Meta, Expires: seen.Expires,
		Remaining: seen.Credits, Enabled: seen.Enabled, Permissions: seen.Permissions,
		Roles: seen.Roles, Identity: v1IdentityOf(seen.Identity), RequestID: v.id,
	}
	for _, l := range seen.Ratelimits {
		if l.Name == v1Limit {
			answer.Ratelimit = &v1RatelimitState{l.Limit, l.Remaining, l.Reset}
		}
	}
	return answer, nil
}

// publicToken is what the function verifyKey of @unkey/api sends in place of a root key.
const publicToken = "public"

// verify verifies a key, with or without a root key.
func (v *v1) verify(
	api string, request *latchkey.VerifyKeyRequest,
) (latchkey.Verification, error) {
	op, _ := engine.Lookup("keys.verifyKey")
	call := v.call(request)
	call.KeysOf = api
	if v.r.Header["Authorization"] == nil || v.token == publicToken {
		call.Token, call.ByKey = "", v.byKey
	}
	response, err := v.Engine.Serve(v.r.Context(), op, call)
	seen, _ := response.Data.(latchkey.Verification)
	return seen, err
}

func isPrecondition(err error) bool {
	var e *latchkey.Error
	return errors.As(err, &e) && e.Status == http.StatusPreconditionFailed
}

// ofUnkeyPy07 says if the request is from unkey.py 0.7 or older.
func (v *v1) ofUnkeyPy07() bool {
	return strings.HasPrefix(v.r.Header.Get("Unkey-Sdk"), "unkey.py@v0.")
}

// code returns the code of a verification or an error. The client unkey.py 0.7 knows two of
// them under their older names only.
func (v *v1) code(code string) string {
	switch {
	case v.ofUnkeyPy07() && code == string(latchkey.RateLimited):
		return "RATELIMITED"
	case v.ofUnkeyPy07() && code == string(latchkey.UsageExceeded):
		return "KEY_USAGE_EXCEEDED"
	}
	return code
}

func (v *v1) getKey() (any, error) {
	q := v.query()
	key, err := ask[latchkey.Key](v, "keys.getKey", &latchkey.GetKeyRequest{
		KeyID: q.text("keyId"), Decrypt: q.flag("decrypt"),
	})
	if err != nil {
		return nil, err
	}
	return v.keyOf(key, v.trace.API), nil
}

type v1KeyID struct {
	KeyID     string `json:"keyId"`
	Permanent bool   `json:"permanent"`
}

func (v *v1) deleteKey(r *v1KeyID) (any, error) {
	return v.do("keys.deleteKey",
		&latchkey.DeleteKeyRequest{KeyID: r.KeyID, Permanent: r.Permanent})
}

type v1Whoami struct {
	Key string `json:"key"`
}

func (v *v1) whoami(r *v1Whoami) (any, error) {
	key, err := ask[latchkey.Key](v, "keys.whoami", &latchkey.WhoamiRequest{Key: r.Key})
	if err != nil {
		return nil, err
	}
	return v.keyOf(key, ""), nil
}

type v1UpdateKey struct {
	KeyID       string                      `json:"keyId"`
	Name        latchkey.Opt[string]        `json:"name"`
	OwnerID     latchkey.Opt[string]        `json:"ownerId"`
	ExternalID  latchkey.Opt[string]        `json:"externalId"`
	Meta        latchkey.Opt[latchkey.Meta] `json:"meta"`
	Expires     latchkey.Opt[latchkey.Time] `json:"expires"`
	Remaining   latchkey.Opt[int64]         `json:"remaining"`
	Refill      latchkey.Opt[v1Refill]      `json:"refill"`
	Ratelimit   latchkey.Opt[v1Ratelimit]   `json:"ratelimit"`
	Enabled     latchkey.Opt[bool]          `json:"enabled"`
	Roles       latchkey.Opt[[]v1Named]     `json:"roles"`
	Permissions latchkey.Opt[[]v1Named]     `json:"permissions"`
}

func (v *v1) updateKey(r *v1UpdateKey) (any, error) {
	credits, err := r.credits()
	if err != nil {
		return nil, err
	}
	request := &latchkey.UpdateKeyRequest{
		KeyID: r.KeyID, Name: r.Name, ExternalID: r.ExternalID, Meta: r.Meta, Expires: r.Expires,
		Enabled: r.Enabled, Credits: credits,
	}
	if request.ExternalID.IsZero() {
		request.ExternalID = r.OwnerID
	}
	if !r.Ratelimit.IsZero() {
		limits, err := v.limitsWith(r.KeyID, r.Ratelimit)
		if err != nil {
			return nil, err
		}
		request.Ratelimits = latchkey.Set(limits)
	}
	if named, given := r.Roles.Get(); given {
		roles, err := v.roleNames(named)
		if err != nil {
			return nil, err
		}
		request.Roles = latchkey.Set(roles)
	}
	if named, given := r.Permissions.Get(); given {
		slugs, err := v.slugs(named)
		if err != nil {
			return nil, err
		}
		request.Permissions = latchkey.Set(slugs)
	}
	return v.do("keys.updateKey", request)
}

// credits returns the change of the balance.
func (r *v1UpdateKey) credits() (latchkey.Opt[latchkey.UpdateKeyCredits], error) {
	var refill latchkey.Opt[latchkey.Refill]
	if given, set := r.Refill.Get(); set {
		schedule, err := given.request()
		if err != nil {
			return latchkey.Opt[latchkey.UpdateKeyCredits]{}, err
		}
		refill = latchkey.Set(schedule)
	} else if r.Refill.IsNull() {
		refill = latchkey.Null[latchkey.Refill]()
	}
	switch {
	case r.Remaining.IsNull():
		return latchkey.Null[latchkey.UpdateKeyCredits](), nil
	case r.Remaining.IsZero() && refill.IsZero():
		return latchkey.Opt[latchkey.UpdateKeyCredits]{}, nil
	}
	return latchkey.Set(latchkey.UpdateKeyCredits{Remaining: r.Remaining, Refill: refill}), nil
}

// limitsWith returns the limits of a key with another one in place of that which version 1
// knows, or without it. The others were made by version 2 and stay.
func (v *v1) limitsWith(
	keyID string, limit latchkey.Opt[v1Ratelimit],
) ([]latchkey.RatelimitRequest, error) {
	key, err := ask[latchkey.Key](v, "keys.getKey", &latchkey.GetKeyRequest{KeyID: keyID})
	if err != nil {
		return nil, err
	}
	limits := []latchkey.RatelimitRequest{}
	for _, l := range key.Ratelimits {
		if l.Name != v1Limit {
			limits = append(limits, l.Request())
		}
	}
	if l, given := limit.Get(); given {
		limits = append(limits, l.request())
	}
	return limits, nil
}

type v1UpdateRemaining struct {
	KeyID string              `json:"keyId"`
	Op    string              `json:"op"`
	Value latchkey.Opt[int64] `json:"value"`
}

func (v *v1) updateRemaining(r *v1UpdateRemaining) (any, error) {
	credits, err := ask[latchkey.Credits](v, "keys.updateCredits", &latchkey.UpdateCreditsRequest{
		KeyID: r.KeyID, Operation: latchkey.CreditsOperation(r.Op), Value: r.Value,
	})
	if err != nil {
		return nil, err
	}
	return struct {
		Remaining latchkey.Opt[int64] `json:"remaining"`
	}{credits.Remaining}, nil
}

// v1PermissionQuery is a slug, or a tree of them.
type v1PermissionQuery struct{ text string }

// UnmarshalJSON reads a query and writes it as the text that version 2 takes.
func (q *v1PermissionQuery) UnmarshalJSON(data []byte) error {
	text, err := queryText(data, 0)
	q.text = text
	return err
}

// v1Keys is a page of keys. Its total is of this page, and one more if there are others:
// counting all keys of an API would take unbounded time.
type v1Keys struct {
	Keys   []v1Key `json:"keys"`
	Cursor string  `json:"cursor,omitempty"`
	Total  int     `json:"total"`
}

func (v *v1) listKeys() (any, error) {
	q := v.query()
	request := &latchkey.ListKeysRequest{
		APIID: cmp.Or(v.r.PathValue("apiId"), q.text("apiId")), Limit: q.number("limit"),
		Cursor: q.text("cursor"), ExternalID: cmp.Or(q.text("externalId"), q.text("ownerId")),
		Decrypt: q.flag("decrypt"),
	}
	if q.fail != nil {
		return nil, q.fail
	}
	response, err := v.askPage("apis.listKeys", request)
	if err != nil {
		return nil, err
	}
	answer := v1Keys{Keys: []v1Key{}}
	for _, k := range response.Data.([]latchkey.Key) {
		answer.Keys = append(answer.Keys, v.keyOf(k, request.APIID))
	}
	answer.Total = len(answer.Keys)
	answer.Cursor = v1Cursor(response.Pagination, answer.Keys)
	if response.Pagination.HasMore {
		answer.Total++
	}
	return answer, nil
}

// v1Cursor returns the cursor after a page. Clients of version 1 expect one after every page
// that has keys, and read until a page has none. So after the last page it is the next text
// after the last id.
func v1Cursor(p *latchkey.Pagination, keys []v1Key) string {
	switch {
	case p.HasMore:
		return p.Cursor
	case len(keys) == 0:
		return ""
	}
	return keys[len(keys)-1].ID + "0"
}

type v1DeleteKeys struct {
	APIID     string `json:"apiId"`
	Permanent bool   `json:"permanent"`
}

// deleteKeys deletes keys of an API, at most as many as a page has. Version 1 deleted all;
// a client repeats the call until it returns 0.
func (v *v1) deleteKeys(r *v1DeleteKeys) (any, error) {
	keys, err := ask[[]latchkey.Key](v, "apis.listKeys", &latchkey.ListKeysRequest{APIID: r.APIID})
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		if _, err := v.deleteKey(&v1KeyID{k.KeyID, r.Permanent}); err != nil {
			return nil, err
		}
	}
	return struct {
		DeletedKeys int `json:"deletedKeys"`
	}{len(keys)}, nil
}

// v1Hash is the hash of a key of another system.
type v1Hash struct {
	Value   string `json:"value"`
	Variant string `json:"variant"`
}

type v1MigrateKey struct {
	v1CreateKey
	Plaintext string  `json:"plaintext"`
	Hash      *v1Hash `json:"hash"`
}

// request returns the key in version 2.
func (r *v1MigrateKey) request() (latchkey.MigrateKey, error) {
	credits, err := r.credits()
	if err != nil {
		return latchkey.MigrateKey{}, err
	}
	key := latchkey.MigrateKey{
		Name: r.Name, ExternalID: r.owner(), Meta: meta(r.Meta), Roles: r.Roles,
		Permissions: r.Permissions, Expires: r.Expires, Enabled: r.Enabled, Credits: credits,
	}
	if r.Ratelimit != nil {
		key.Ratelimits = []latchkey.RatelimitRequest{r.Ratelimit.request()}
	}
	switch {
	case r.Plaintext != "":
		sum := sha256.Sum256([]byte(r.Plaintext))
		key.Hash = base64.StdEncoding.EncodeToString(sum[:])
	case r.Hash != nil && r.Hash.Variant == "sha256_base64":
		key.Hash = r.Hash.Value
	default:
		return key, badV1("a key needs plaintext, or a hash with the variant sha256_base64")
	}
	return key, nil
}

// migratedKeys returns keys in version 2.
func migratedKeys(list []v1MigrateKey) ([]latchkey.MigrateKey, error) {
	keys := make([]latchkey.MigrateKey, len(list))
	for i := range list {
		var err error
		if keys[i], err = list[i].request(); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

type v1EnqueueKeys struct {
	MigrationID string         `json:"migrationId"`
	APIID       string         `json:"apiId"`
	Keys        []v1MigrateKey `json:"keys"`
}

// enqueueKeys imports keys of a migration. They are imported when it returns.
func (v *v1) enqueueKeys(r *v1EnqueueKeys) (any, error) {
	keys, err := migratedKeys(r.Keys)
	if err != nil {
		return nil, err
	}
	_, err = v.do("keys.migrateKeys", &latchkey.MigrateKeysRequest{
		MigrationID: r.MigrationID, APIID: r.APIID, Keys: keys,
	})
	return v1Accepted{}, err
}

// migrateKeys imports keys of one API. They are found by the hash of the whole key, so that
// they need no migration to be verified.
func (v *v1) migrateKeys(list *[]v1MigrateKey) (any, error) {
	if len(*list) == 0 {
		return nil, badV1("there must be at least one key")
	}
	request := &latchkey.MigrateKeysRequest{APIID: (*list)[0].APIID}
	for i := range *list {
		if (*list)[i].APIID != request.APIID {
			return nil, badV1("all keys must have the same apiId")
		}
	}
	var err error
	if request.Keys, err = migratedKeys(*list); err != nil {
		return nil, err
	}
	migration, err := ask[latchkey.CreatedMigration](v, "migrations.createMigration",
		&latchkey.CreateMigrationRequest{Algorithm: latchkey.MigrateSHA256})
	if err != nil {
		return nil, err
	}
	request.MigrationID = migration.MigrationID
	done, err := ask[latchkey.MigratedKeys](v, "keys.migrateKeys", request)
	if err != nil {
		return nil, err
	}
	if len(done.Failed) > 0 {
		return nil, engine.NewError(http.StatusConflict, "Conflict", "user/bad_request/not_unique",
			"Some of the keys exist already. The others were imported.")
	}
	byHash := make(map[string]string, len(done.Migrated))
	for _, m := range done.Migrated {
		byHash[m.Hash] = m.KeyID
	}
	ids := make([]string, len(request.Keys))
	for i, key := range request.Keys {
		ids[i] = byHash[key.Hash]
	}
	return struct {
		KeyIDs []string `json:"keyIds"`
	}{ids}, nil
}

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// keyCommands are the commands of keys.
type keyCommands struct {
	Create createKey `cmd:"" op:"keys.createKey" done:"Key {keyId}, shown only once:" last:"key" help:"Create a key and print it."`
	List   listKeys  `cmd:"" op:"keys.listKeys" help:"List keys: all, or those that satisfy the filters."`
	Find   findKey   `cmd:"" help:"Find the key whose beginning is in a log, or whose secret you have."`
	Get    struct {
		Key     string `arg:"" name:"key-id" json:"keyId" help:"The key's id."`
		Decrypt bool   `json:"decrypt,omitempty" help:"Show the key itself, if it is recoverable."`
		Grants  bool   `json:"grants,omitempty" help:"Show where it has each permission from."`
	} `cmd:"" op:"keys.getKey" help:"Show a key."`
	Explain    explainKey `cmd:"" help:"Say why a key would be valid or not, without using it."`
	Verify     verifyKey  `cmd:"" help:"Check a key as a service does; exit status 1 if it isn't valid."`
	Update     updateKey  `cmd:"" op:"keys.updateKey" done:"Updated key {keyId}." help:"Change a key."`
	UpdateMany updateKeys `cmd:"" help:"Change many keys alike: those that satisfy the filters."`
	Enable     oneKey     `cmd:"" op:"keys.updateKey" with:"enabled=true" done:"Enabled key {keyId}." help:"Enable a disabled key."`
	Disable    oneKey     `cmd:"" op:"keys.updateKey" with:"enabled=false" done:"Disabled key {keyId}. It no longer works." help:"Disable a key until it is enabled again."`
	Reroll     struct {
		Key   string `arg:"" name:"key-id" json:"keyId" help:"The key's id."`
		Grace grace  `required:"" json:"expiration" placeholder:"TIME" help:"How long the old key still works, such as 24h or 7d; 0 ends it at once."`
	} `cmd:"" aliases:"rotate" op:"keys.rerollKey" done:"Key {keyId} replaces the old one. It is shown only once:" last:"key" help:"Replace a key by a new one and print it."`
	Revoke struct {
		Key       string `arg:"" name:"key-id" json:"keyId" help:"The key's id."`
		Permanent bool   `json:"permanent,omitempty" help:"Erase its record, too."`
		Confirmed
	} `cmd:"" aliases:"delete" op:"keys.deleteKey" confirm:"Key {keyId} will stop working. Without --permanent, latchkey keys restore undoes it for 30 days." done:"Revoked key {keyId}. It no longer works." help:"Delete a key; it stops working at once."`
	Restore     oneKey `cmd:"" op:"keys.restoreKey" done:"Restored key {keyId}. It works again." help:"Undo the deletion of a key, for 30 days."`
	Permissions struct {
		Add    keyPermissions    `cmd:"" op:"keys.addPermissions" done:"Key {keyId} has the permissions." help:"Add permissions."`
		Remove keyPermissions    `cmd:"" op:"keys.removePermissions" done:"Key {keyId} doesn't have the permissions." help:"Remove permissions."`
		Set    allKeyPermissions `cmd:"" op:"keys.setPermissions" done:"Key {keyId} has these permissions and no others." help:"Replace all permissions."`
	} `cmd:"" help:"Direct permissions of a key."`
	Roles struct {
		Add    keyRoles    `cmd:"" op:"keys.addRoles" done:"Key {keyId} has the roles." help:"Add roles."`
		Remove keyRoles    `cmd:"" op:"keys.removeRoles" done:"Key {keyId} doesn't have the roles." help:"Remove roles."`
		Set    allKeyRoles `cmd:"" op:"keys.setRoles" done:"Key {keyId} has these roles and no others." help:"Replace all roles."`
	} `cmd:"" help:"Roles of a key."`
	Credits struct {
		Set      keyCredits `cmd:"" op:"keys.updateCredits" with:"operation=set" done:"Key {keyId} has {remaining} credits." help:"Set the balance."`
		Add      keyCredits `cmd:"" op:"keys.updateCredits" with:"operation=increment" done:"Key {keyId} has {remaining} credits." help:"Add to the balance."`
		Subtract keyCredits `cmd:"" op:"keys.updateCredits" with:"operation=decrement" done:"Key {keyId} has {remaining} credits." help:"Subtract from the balance, which never falls below 0."`
	} `cmd:"" help:"The balance of a key."`
}

// KeyFilters are the flags of commands that select keys.
type KeyFilters struct {
	API            apiID  `name:"api" json:"apiId,omitempty" complete:"apis.listApis name" placeholder:"API" help:"Only those of the API with this id or name."`
	ExternalID     string `aliases:"customer" json:"externalId,omitempty" complete:"identities.listIdentities externalId" placeholder:"ID" help:"Only those of this owner."`
	Start          string `json:"start,omitempty" placeholder:"TEXT" help:"Only those that begin with this text."`
	Name           string `json:"name,omitempty" placeholder:"NAME" help:"Only those with this name."`
	Enabled        *bool  `negatable:"" json:"enabled,omitempty" help:"Only those that are enabled, or with --no-enabled disabled."`
	Role           string `json:"role,omitempty" complete:"permissions.listRoles name" placeholder:"ROLE" help:"Only those with this role."`
	Permission     string `json:"permission,omitempty" complete:"permissions.listPermissions slug" placeholder:"SLUG" help:"Only those with this permission, directly or through a role."`
	ExpiresAfter   moment `json:"expiresAfter,omitzero" placeholder:"TIME" help:"Only those that expire then or later."`
	ExpiresBefore  moment `json:"expiresBefore,omitzero" placeholder:"TIME" help:"Only those that expire then or earlier, for example 7d."`
	LastUsedAfter  moment `json:"lastUsedAfter,omitzero" placeholder:"TIME" help:"Only those used then or later, for example -24h."`
	LastUsedBefore moment `json:"lastUsedBefore,omitzero" placeholder:"TIME" help:"Only those used then or earlier, or never, for example -90d."`
}

// listKeys lists keys.
type listKeys struct {
	KeyFilters
	Sort string `json:"sort,omitempty" placeholder:"id|createdAt|expires|start" help:"Order of the list."`
	Paging
}

// Help are the examples of latchkey keys list --help.
func (listKeys) Help() string {
	return `Examples:

    latchkey keys list --external-id user_1
    latchkey keys list --expires-after 0h --expires-before 7d
    latchkey keys list --last-used-before=-90d --all
    latchkey --json keys list --api payments --no-enabled --all`
}

// findKey finds a key.
type findKey struct {
	Key string `arg:"" help:"The beginning of the key, as logs and lists show it; or - to read the whole key from standard input."`
}

// Help is the manual of latchkey keys find.
func (findKey) Help() string {
	return `Only the prefix and the first 4 characters of a key are stored. Of a longer text, no more
is sent, so the rest of a secret in it stays here. Several keys can begin alike.

Examples:

    latchkey keys find sk_live_Ab3d
    latchkey keys find - < leaked.key`
}

// Run finds the key by its secret, or those that begin with the text.
func (c *findKey) Run(ctx context.Context, a *app, client *latchkey.Client) error {
	if c.Key == "-" {
		return c.whoami(ctx, a, client)
	}
	start := storedStart(c.Key)
	out, found := a.listing("keys.listKeys", true), 0
	for key, err := range client.Keys.FindAll(ctx, latchkey.FindKeysRequest{Start: start}) {
		if err != nil {
			return err
		}
		if err := out.one(key); err != nil {
			return err
		}
		found++
	}
	if found == 0 {
		return &notFoundError{fmt.Sprintf("no key begins with %q; keys imported by their hashes have no "+
			"beginning, find them by name or owner", start)}
	}
	return out.end()
}

// whoami finds the key with a secret.
func (c *findKey) whoami(ctx context.Context, a *app, client *latchkey.Client) error {
	secret, err := a.secret(c.Key)
	if err != nil {
		return err
	}
	key, err := client.Keys.Whoami(ctx, latchkey.WhoamiRequest{Key: secret})
	if err != nil {
		return err
	}
	data, err := json.Marshal(key)
	if err != nil {
		return err
	}
	return a.printData(data)
}

// storedStart returns what is stored of the beginning of a key: the prefix and 4 characters.
func storedStart(text string) string {
	const stored = 4
	text = strings.TrimRight(text, ".…*")
	prefix := strings.LastIndexByte(text, '_') + 1
	return text[:min(len(text), prefix+stored)]
}

// createKey creates a key.
type createKey struct {
	API         apiID    `name:"api" required:"" json:"apiId" complete:"apis.listApis name" help:"The API's id or name."`
	Name        string   `json:"name,omitempty" help:"Name, for people."`
	ExternalID  string   `aliases:"customer" json:"externalId,omitempty" complete:"identities.listIdentities externalId" placeholder:"ID" help:"Your name for its owner, who is created if there is none."`
	Expires     instant  `json:"expires,omitzero" placeholder:"TIME" help:"When it expires: 90d, 12h, 2027-01-31."`
	Credits     credits  `json:"credits,omitzero" placeholder:"N" help:"What its verifications can spend: 1000, 1000/day, 1000/month, 1000/month@15."`
	Limits      []limit  `name:"limit" sep:"none" json:"ratelimits,omitempty" placeholder:"RATE" help:"Rate limit of every verification, such as 10/s or tokens=1000/min; repeatable."`
	Permissions []string `name:"permission" short:"p" json:"permissions,omitempty" complete:"permissions.listPermissions slug" placeholder:"SLUG" help:"Permission of the key; repeatable."`
	Roles       []string `name:"role" json:"roles,omitempty" complete:"permissions.listRoles name" placeholder:"NAME" help:"Role of the key; repeatable."`
	Meta        object   `json:"meta,omitempty" placeholder:"JSON" help:"Metadata, a JSON object."`
	Prefix      string   `json:"prefix,omitempty" help:"Text before the key (default: that of the API)."`
	ByteLength  int      `json:"byteLength,omitempty" placeholder:"N" help:"Random bytes of the key (default: those of the API)."`
	Enabled     *bool    `negatable:"" json:"enabled,omitempty" help:"Whether it works from the beginning (default: yes)."`
	Recoverable bool     `json:"recoverable,omitempty" help:"Store it encrypted, so that it can be shown again."`
}

// Help are the examples of latchkey keys create --help.
func (createKey) Help() string {
	return `Prints the key alone on the last line. It is shown only once.

Examples:

    latchkey keys create --api payments --external-id user_1 --expires 90d
    latchkey keys create --api payments --limit 10/s --credits 1000/month -p documents.read`
}

// updateKey changes a key.
type updateKey struct {
	Key         string   `arg:"" name:"key-id" json:"keyId" help:"The key's id."`
	Name        *string  `json:"name,omitempty" help:"Name, for people."`
	ExternalID  *string  `aliases:"customer" json:"externalId,omitempty" complete:"identities.listIdentities externalId" placeholder:"ID" help:"Your name for its owner, who is created if there is none."`
	Expires     instant  `json:"expires,omitzero" placeholder:"TIME" help:"When it expires: 90d, 12h, 2027-01-31, never."`
	Credits     credits  `json:"credits,omitzero" placeholder:"N" help:"What its verifications can spend: 1000, 1000/day, 1000/month, unlimited."`
	Limits      []limit  `name:"limit" sep:"none" json:"ratelimits,omitempty" placeholder:"RATE" help:"Rate limit of every verification, such as 10/s or tokens=1000/min; repeatable. They replace all limits."`
	Permissions []string `name:"permission" short:"p" json:"permissions,omitempty" complete:"permissions.listPermissions slug" placeholder:"SLUG" help:"Permission of the key; repeatable. They replace all direct permissions."`
	Roles       []string `name:"role" json:"roles,omitempty" complete:"permissions.listRoles name" placeholder:"NAME" help:"Role of the key; repeatable. They replace all roles."`
	Meta        object   `json:"meta,omitempty" placeholder:"JSON" help:"Metadata, a JSON object; it replaces all of it."`
	Clearing
}

// Help are the examples of latchkey keys update --help.
func (updateKey) Help() string {
	return `Examples:

    latchkey keys update key_… --expires 90d --limit 10/s
    latchkey keys update key_… --expires never --credits unlimited --clear external-id`
}

// oneKey names a key.
type oneKey struct {
	Key string `arg:"" name:"key-id" json:"keyId" help:"The key's id."`
}

// keyPermissions are permissions of a key.
type keyPermissions struct {
	Key         string   `arg:"" name:"key-id" json:"keyId" help:"The key's id."`
	Permissions []string `arg:"" name:"permission" json:"permissions" complete:"permissions.listPermissions slug" help:"Slugs of permissions."`
}

// allKeyPermissions are all permissions of a key.
type allKeyPermissions struct {
	Key         string   `arg:"" name:"key-id" json:"keyId" help:"The key's id."`
	Permissions textList `arg:"" optional:"" name:"permission" json:"permissions" complete:"permissions.listPermissions slug" help:"Slugs of permissions. None removes all."`
}

// keyRoles are roles of a key.
type keyRoles struct {
	Key   string   `arg:"" name:"key-id" json:"keyId" help:"The key's id."`
	Roles []string `arg:"" name:"role" json:"roles" complete:"permissions.listRoles name" help:"Names of roles."`
}

// allKeyRoles are all roles of a key.
type allKeyRoles struct {
	Key   string   `arg:"" name:"key-id" json:"keyId" help:"The key's id."`
	Roles textList `arg:"" optional:"" name:"role" json:"roles" complete:"permissions.listRoles name" help:"Names of roles. None removes all."`
}

// keyCredits are credits of a key.
type keyCredits struct {
	Key   string `arg:"" name:"key-id" json:"keyId" help:"The key's id."`
	Value amount `arg:"" name:"credits" json:"value" help:"How many, such as 1000 or 5k."`
}

// verifyKey checks a key.
type verifyKey struct {
	Key         string   `arg:"" help:"The key; - reads it from standard input, where other users can't see it."`
	Permissions string   `placeholder:"QUERY" help:"What it must be allowed to do, for example 'docs.read AND docs.write'."`
	Cost        *int64   `placeholder:"N" help:"Credits that the check spends (default: 1); 0 spends none."`
	Limits      []string `name:"limit" placeholder:"NAME" help:"Limit to check besides those that always apply; repeatable."`
	Budgets     []cost   `name:"budget" complete:"budgets.listBudgets name" placeholder:"BUDGET=N" help:"What it costs of a budget of the key, such as research=500; repeatable."`
	Reserve     grace    `placeholder:"TIME" help:"Reserve for this long what it costs, instead of spending it; 1s to 24h."`
	Tags        []string `name:"tag" placeholder:"TAG" help:"Tag of the verification's event; repeatable."`
}

// errRefused is what makes the exit status 1 after a verdict that was printed.
var errRefused = errors.New("refused")

// Run checks the key and prints the verdict.
func (c *verifyKey) Run(ctx context.Context, a *app, client *latchkey.Client) error {
	key, err := a.secret(c.Key)
	if err != nil {
		return err
	}
	request := latchkey.VerifyKeyRequest{
		Key: key, Permissions: latchkey.PermissionQuery(c.Permissions), Tags: c.Tags,
	}
	if c.Cost != nil {
		request.Credits = &latchkey.VerifyKeyCredits{Cost: latchkey.Set(*c.Cost)}
	}
	request.Ratelimits, request.Budgets = limitsNamed(c.Limits), costs(c.Budgets)
	if c.Reserve > 0 {
		request.Reserve = &latchkey.VerifyKeyReserve{TTL: latchkey.Per(time.Duration(c.Reserve))}
	}
	v, err := client.Keys.Verify(ctx, request)
	if err != nil {
		return err
	}
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := a.printData(data); err != nil {
		return err
	}
	if !v.Valid {
		return errRefused
	}
	return nil
}

// limitsNamed are limits to check by their names.
func limitsNamed(names []string) (limits []latchkey.VerifyKeyRatelimit) {
	for _, name := range names {
		limits = append(limits, latchkey.VerifyKeyRatelimit{Name: name})
	}
	return limits
}

// secret returns an argument, or what standard input has for "-".
func (a *app) secret(argument string) (string, error) {
	if argument != "-" {
		return argument, nil
	}
	text, err := io.ReadAll(io.LimitReader(a.stdin, 4096))
	if err != nil {
		return "", fmt.Errorf("standard input: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// keyHeader are the columns of lists of keys.
const keyHeader = "ID START NAME OWNER STATE CREDITS EXPIRES USED"

func keyRow(k latchkey.Key) []string {
	state, balance := "enabled", ""
	switch {
	case !k.Enabled:
		state = "disabled"
	case !k.Expires.IsZero() && k.Expires.Before(time.Now()):
		state = "expired"
	}
	if k.Credits != nil {
		balance = k.Credits.Remaining.String()
	}
	return []string{
		k.KeyID, k.Start, k.Name, k.ExternalID(), state, balance, ago(k.Expires), ago(k.LastUsedAt),
	}
}

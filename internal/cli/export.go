package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/latchkeyhq/latchkey"
)

// exportCmd writes what a workspace has into a file.
type exportCmd struct {
	File string   `arg:"" optional:"" type:"path" help:"File to write; nothing may be there yet (default: standard output)."`
	API  apiID    `name:"api" complete:"apis.listApis name" placeholder:"API" help:"Only the keys of the API with this id or name (default: of all)."`
	Only []string `enum:"permissions,roles,apis,identities,namespaces,keys" placeholder:"KIND" help:"Only these kinds: ${enum}; repeatable (default: all)."`
}

// Help is the manual of latchkey export.
func (exportCmd) Help() string {
	return `Writes APIs, keys, identities, permissions, roles and rate-limit namespaces with overrides
as JSON Lines, which latchkey import reads. It has no secrets: keys are there by their hashes. Who
has the file can make another service accept these keys, so keep it as you keep a backup.

The root key needs to read all of it, and api.*.decrypt_key for the hashes.

Examples:

    latchkey export workspace.jsonl
    latchkey export --api payments --only keys
    latchkey --url https://api.unkey.com export --only permissions --only roles --only identities`
}

// The kinds of lines of an export.
const (
	kindHeader     = "latchkey"
	kindPermission = "permission"
	kindRole       = "role"
	kindAPI        = "api"
	kindIdentity   = "identity"
	kindNamespace  = "namespace"
	kindOverride   = "override"
	kindKey        = "key"
	kindEnd        = "end"
)

// exportVersion is the version of the format.
const exportVersion = 1

// exportHeader is the first line of an export.
type exportHeader struct {
	Kind       string        `json:"kind"`
	Version    int           `json:"version"`
	ExportedAt latchkey.Time `json:"exportedAt"`
}

// exportEnd is the last line of an export: without it, the file is not whole.
type exportEnd struct {
	Kind  string `json:"kind"`
	Lines int    `json:"lines"` // before this one
}

// The lines of things besides keys are those of the API with their kind.
type (
	permissionLine struct {
		Kind string `json:"kind"`
		latchkey.Permission
	}
	roleLine struct {
		Kind        string   `json:"kind"`
		Name        string   `json:"name"`
		Description string   `json:"description,omitempty"`
		Permissions []string `json:"permissions,omitempty"`
	}
	apiLine struct {
		Kind string `json:"kind"`
		latchkey.APISettings
	}
	identityLine struct {
		Kind string `json:"kind"`
		latchkey.Identity
	}
	namespaceLine struct {
		Kind string `json:"kind"`
		latchkey.Namespace
	}
	overrideLine struct {
		Kind      string `json:"kind"`
		Namespace string `json:"namespace"`
		latchkey.Override
	}
	keyLine struct {
		Kind  string `json:"kind"`
		APIID string `json:"apiId"`
		latchkey.ExportedKey
	}
)

// Run writes the export.
func (c *exportCmd) Run(ctx context.Context, a *app, client *latchkey.Client) (err error) {
	if c.API != "" {
		if err := c.API.resolve(ctx, client); err != nil {
			return err
		}
	}
	out := a.stdout
	if c.File != "" {
		f, err := os.OpenFile(c.File, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		defer func() {
			if wrong := f.Close(); err == nil {
				err = wrong
			}
		}()
		out = f
	}
	x := &exporter{client: client, out: bufio.NewWriter(out)}
	if err := x.all(ctx, c); err != nil {
		return err
	}
	if c.File != "" {
		return a.done("Exported %s to %s.", plural(x.lines-1, "line"), c.File)
	}
	return nil
}

// exporter writes lines.
type exporter struct {
	client *latchkey.Client
	out    *bufio.Writer
	lines  int
}

// line writes a line.
func (x *exporter) line(v any) error {
	enc := json.NewEncoder(x.out)
	enc.SetEscapeHTML(false)
	x.lines++
	return enc.Encode(v)
}

// all writes the whole export: what others refer to comes first.
func (x *exporter) all(ctx context.Context, c *exportCmd) error {
	header := exportHeader{kindHeader, exportVersion, latchkey.At(time.Now())}
	if err := x.line(header); err != nil {
		return err
	}
	for _, part := range []struct {
		name  string
		write func(context.Context, *exportCmd) error
	}{
		{"permissions", x.permissions}, {"roles", x.roles}, {"apis", x.apis},
		{"identities", x.identities}, {"namespaces", x.namespaces}, {"keys", x.keys},
	} {
		if len(c.Only) > 0 && !slices.Contains(c.Only, part.name) {
			continue
		}
		if err := part.write(ctx, c); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	if err := x.line(exportEnd{kindEnd, x.lines}); err != nil {
		return err
	}
	return x.out.Flush()
}

// each writes a line for each item.
func each[T any](x *exporter, items func(func(T, error) bool), line func(T) any) error {
	for item, err := range items {
		if err != nil {
			return err
		}
		if err := x.line(line(item)); err != nil {
			return err
		}
	}
	return nil
}

func (x *exporter) permissions(ctx context.Context, _ *exportCmd) error {
	return each(x, x.client.Permissions.All(ctx, latchkey.ListPermissionsRequest{}),
		func(p latchkey.Permission) any { return permissionLine{kindPermission, p} })
}

func (x *exporter) roles(ctx context.Context, _ *exportCmd) error {
	return each(x, x.client.Permissions.AllRoles(ctx, latchkey.ListRolesRequest{}),
		func(r latchkey.Role) any {
			line := roleLine{Kind: kindRole, Name: r.Name, Description: r.Description}
			for _, p := range r.Permissions {
				line.Permissions = append(line.Permissions, p.Slug)
			}
			return line
		})
}

func (x *exporter) apis(ctx context.Context, c *exportCmd) error {
	all, err := apisByAge(ctx, x.client)
	for _, api := range all {
		if c.API != "" && api.ID != string(c.API) {
			continue
		}
		if err := x.line(apiLine{kindAPI, api}); err != nil {
			return err
		}
	}
	return err
}

// apisByAge returns all APIs, the oldest first. Their names need not be unique: an import
// matches those with one name in this order.
func apisByAge(ctx context.Context, c *latchkey.Client) (apis []latchkey.APISettings, err error) {
	for api, err := range c.APIs.All(ctx, latchkey.ListAPIsRequest{}) {
		if err != nil {
			return nil, err
		}
		apis = append(apis, api)
	}
	slices.SortStableFunc(apis, func(a, b latchkey.APISettings) int {
		return a.CreatedAt.Compare(b.CreatedAt.Time)
	})
	return apis, nil
}

func (x *exporter) identities(ctx context.Context, _ *exportCmd) error {
	return each(x, x.client.Identities.All(ctx, latchkey.ListIdentitiesRequest{}),
		func(i latchkey.Identity) any { return identityLine{kindIdentity, i} })
}

func (x *exporter) namespaces(ctx context.Context, _ *exportCmd) error {
	all := x.client.Ratelimits.AllNamespaces(ctx, latchkey.ListNamespacesRequest{})
	for n, err := range all {
		if err != nil {
			return err
		}
		if err := x.line(namespaceLine{kindNamespace, n}); err != nil {
			return err
		}
		request := latchkey.ListOverridesRequest{Namespace: n.ID}
		if err := each(x, x.client.Ratelimits.AllOverrides(ctx, request),
			func(o latchkey.Override) any { return overrideLine{kindOverride, n.Name, o} },
		); err != nil {
			return err
		}
	}
	return nil
}

func (x *exporter) keys(ctx context.Context, c *exportCmd) error {
	ids := []string{string(c.API)}
	if c.API == "" {
		ids = nil
		apis, err := apisByAge(ctx, x.client)
		if err != nil {
			return err
		}
		for _, api := range apis {
			ids = append(ids, api.ID)
		}
	}
	for _, id := range ids {
		if err := each(x, x.client.Keys.ExportAll(ctx, latchkey.ExportKeysRequest{APIID: id}),
			func(k latchkey.ExportedKey) any { return keyLine{kindKey, id, k} }); err != nil {
			return err
		}
	}
	return nil
}

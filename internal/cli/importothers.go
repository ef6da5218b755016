package cli

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/latchkeyhq/latchkey"
)

// other imports what is no key: what keys refer to comes before them. What is there already
// stays, but an API and a namespace get the settings of the file, and an identity that is
// disabled in the file is disabled here, so that an import that was interrupted in between
// leaves nothing open.
func (m *importer) other(ctx context.Context, line int, kind string, text []byte) error {
	if m.cmd.API != "" && kind == kindAPI {
		return nil // the keys go to another one
	}
	create := map[string]func(context.Context, []byte) error{
		kindPermission: m.permission, kindRole: m.role, kindAPI: m.api,
		kindIdentity: m.identity, kindNamespace: m.namespace, kindOverride: m.override,
	}[kind]
	if create == nil {
		m.reject(line, "there is no kind "+harmless(kind))
		return nil
	}
	if m.cmd.DryRun {
		m.others++
		return nil
	}
	var refused *latchkey.Error
	switch err := create(ctx, text); {
	case errors.As(err, &refused) && refused.Status == http.StatusBadRequest:
		m.reject(line, reasonOf(refused))
	case err != nil:
		return err
	default:
		m.others++
	}
	return nil
}

// unlessThere returns no error if something is there already.
func unlessThere(err error) error {
	var refused *latchkey.Error
	if errors.As(err, &refused) && refused.Status == http.StatusConflict {
		return nil
	}
	return err
}

func (m *importer) permission(ctx context.Context, text []byte) error {
	var p permissionLine
	if err := json.Unmarshal(text, &p); err != nil {
		return err
	}
	_, err := m.client.Permissions.Create(ctx, latchkey.CreatePermissionRequest{
		Name: p.Name, Slug: p.Slug, Description: p.Description,
	})
	return unlessThere(err)
}

func (m *importer) role(ctx context.Context, text []byte) error {
	var r roleLine
	if err := json.Unmarshal(text, &r); err != nil {
		return err
	}
	_, err := m.client.Permissions.CreateRole(ctx, latchkey.CreateRoleRequest{
		Name: r.Name, Description: r.Description, Permissions: r.Permissions,
	})
	return unlessThere(err)
}

// api finds the API of the same name, or makes it. Of several with one name, the
// oldest of the file is the oldest here, and so on.
func (m *importer) api(ctx context.Context, text []byte) error {
	var api apiLine
	if err := json.Unmarshal(text, &api); err != nil {
		return err
	}
	if m.named == nil {
		m.named, m.apis = map[string][]string{}, map[string]string{}
		all, err := apisByAge(ctx, m.client)
		if err != nil {
			return err
		}
		for _, here := range all {
			m.named[here.Name] = append(m.named[here.Name], here.ID)
		}
	}
	var id string
	if ids := m.named[api.Name]; len(ids) > 0 {
		id, m.named[api.Name] = ids[0], ids[1:]
	} else {
		made, err := m.client.APIs.Create(ctx, latchkey.CreateAPIRequest{Name: api.Name})
		if err != nil {
			return err
		}
		id = made.APIID
	}
	settings := latchkey.UpdateAPIRequest{
		APIID: id, DeleteProtection: latchkey.Set(api.DeleteProtection),
		IPWhitelist:        latchkey.Set(append([]string{}, api.IPWhitelist...)),
		StoreEncryptedKeys: latchkey.Set(api.StoreEncryptedKeys),
		StrictGrants:       latchkey.Set(api.StrictGrants),
		DefaultPrefix:      latchkey.Null[string](), DefaultBytes: latchkey.Null[int](),
	}
	if api.DefaultPrefix != "" {
		settings.DefaultPrefix = latchkey.Set(api.DefaultPrefix)
	}
	if api.DefaultBytes != 0 {
		settings.DefaultBytes = latchkey.Set(api.DefaultBytes)
	}
	if _, err := m.client.APIs.Update(ctx, settings); err != nil {
		return err
	}
	m.apis[api.ID] = id
	return nil
}

func (m *importer) identity(ctx context.Context, text []byte) error {
	var i identityLine
	if err := json.Unmarshal(text, &i); err != nil {
		return err
	}
	request := latchkey.CreateIdentityRequest{ExternalID: i.ExternalID, Meta: i.Meta}
	for _, l := range i.Ratelimits {
		request.Ratelimits = append(request.Ratelimits, l.Request())
	}
	_, err := m.client.Identities.Create(ctx, request)
	if err = unlessThere(err); err != nil || !i.Disabled {
		return err
	}
	_, err = m.client.Identities.Update(ctx, latchkey.UpdateIdentityRequest{
		Identity: i.ExternalID, Enabled: latchkey.Set(false),
	})
	return err
}

// namespace makes a namespace by a limit that costs nothing, and sets it.
func (m *importer) namespace(ctx context.Context, text []byte) error {
	var n namespaceLine
	if err := json.Unmarshal(text, &n); err != nil {
		return err
	}
	_, err := m.client.Ratelimits.Limit(ctx, latchkey.LimitRequest{
		Namespace: n.Name, Identifier: "latchkey import", Limit: 1,
		Duration: latchkey.PerMilli(1000), Cost: latchkey.Set[int64](0),
	})
	if err != nil {
		return err
	}
	_, err = m.client.Ratelimits.UpdateNamespace(ctx, latchkey.UpdateNamespaceRequest{
		Namespace: n.Name, WhenDegraded: latchkey.Set(n.WhenDegraded), Algorithm: n.Algorithm,
	})
	return err
}

func (m *importer) override(ctx context.Context, text []byte) error {
	var o overrideLine
	if err := json.Unmarshal(text, &o); err != nil {
		return err
	}
	_, err := m.client.Ratelimits.SetOverride(ctx, latchkey.SetOverrideRequest{
		Namespace: o.Namespace, Identifier: o.Identifier, Limit: latchkey.Set(o.Limit),
		Duration: o.Duration, Algorithm: o.Algorithm,
	})
	return err
}

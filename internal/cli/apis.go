package cli

import (
	"context"
	"strings"

	"github.com/latchkeyhq/latchkey"
)

// listAPIs lists the APIs of the workspace.
type listAPIs struct{}

// Run lists the APIs.
func (listAPIs) Run(ctx context.Context, a *app, client *latchkey.Client) error {
	apis, err := all(func(cursor string) (latchkey.Page[latchkey.APISettings], error) {
		return client.APIs.List(ctx, latchkey.ListAPIsRequest{Cursor: cursor})
	})
	if err != nil {
		return err
	}
	return printList(a, apis, "ID NAME PREFIX PROTECTED ENCRYPTED IPS CREATED", func(
		api latchkey.APISettings,
	) []string {
		return []string{
			api.ID, api.Name, api.DefaultPrefix, yes(api.DeleteProtection), yes(api.StoreEncryptedKeys),
			strings.Join(api.IPWhitelist, ","), date(api.CreatedAt),
		}
	})
}

// apiSettings are what apis update can set.
var apiSettings = settings{
	"deleteProtection": boolean, "defaultPrefix": text, "defaultBytes": number, "ipWhitelist": list,
	"storeEncryptedKeys": boolean, "strictGrants": boolean,
}

// updateAPI changes the settings of an API.
type updateAPI struct {
	APIID    string   `arg:"" name:"api-id" help:"The API's id."`
	Settings []string `arg:"" name:"name=value" help:"What to change: deleteProtection, defaultPrefix, defaultBytes, ipWhitelist, storeEncryptedKeys, strictGrants."`
}

// Help are the examples of latchkey apis update --help.
func (updateAPI) Help() string {
	return `Separate the values of a list with commas; null removes a value.

Examples:

    latchkey apis update api_… deleteProtection=true defaultPrefix=sk
    latchkey apis update api_… ipWhitelist=192.0.2.7,2001:db8::/32
    latchkey apis update api_… ipWhitelist=null`
}

// Run changes the settings.
func (c *updateAPI) Run(ctx context.Context, a *app, client *latchkey.Client) error {
	return a.update(ctx, client, "apis.updateApi", apiSettings, c.Settings, "apiId", c.APIID)
}

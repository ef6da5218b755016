package cli

import (
	"github.com/latchkeyhq/latchkey"
)

// apiCommands are the commands of APIs.
type apiCommands struct {
	Create struct {
		Name string `arg:"" json:"name" help:"Name, for people."`
	} `cmd:"" op:"apis.createApi" done:"Created API {name}. Its id:" last:"apiId" help:"Create an API, a group of keys; print its id."`
	List struct {
		Paging
		Search string `json:"search,omitempty" help:"Only those whose id or name contains this text."`
	} `cmd:"" op:"apis.listApis" help:"List the APIs of the workspace."`
	Get struct {
		API apiID `arg:"" name:"api" json:"apiId" complete:"apis.listApis name" help:"The API's id or name."`
	} `cmd:"" op:"apis.getApi" help:"Show an API."`
	Update updateAPI `cmd:"" op:"apis.updateApi" help:"Change settings of an API."`
	Delete struct {
		API apiID `arg:"" name:"api" json:"apiId" complete:"apis.listApis name" help:"The API's id or name."`
		Confirmed
	} `cmd:"" op:"apis.deleteApi" confirm:"None of the keys of API {apiId} will work, and there is no way back." done:"Deleted API {apiId}. None of its keys works." help:"Delete an API; none of its keys works from then on."`
}

// updateAPI changes the settings of an API.
type updateAPI struct {
	API                apiID    `arg:"" name:"api" json:"apiId" complete:"apis.listApis name" help:"The API's id or name."`
	DeleteProtection   *bool    `negatable:"" json:"deleteProtection,omitempty" help:"Refuse to delete the API."`
	DefaultPrefix      *string  `json:"defaultPrefix,omitempty" placeholder:"PREFIX" help:"Prefix of new keys."`
	DefaultBytes       *int     `json:"defaultBytes,omitempty" placeholder:"N" help:"Random bytes of new keys."`
	IPWhitelist        []string `name:"ip-whitelist" json:"ipWhitelist,omitempty" placeholder:"CIDR" help:"Addresses that keys can be used from."`
	StoreEncryptedKeys *bool    `negatable:"" json:"storeEncryptedKeys,omitempty" help:"Permit recoverable keys."`
	StrictGrants       *bool    `negatable:"" json:"strictGrants,omitempty" help:"Granting permissions and roles to keys needs permissions of its own."`
	SelfService        []string `json:"selfService,omitempty" placeholder:"OFFER" help:"What holders of keys can do with them: getKey, rerollKey, revokeKey, keyId."`
	Clearing
}

// Help are the examples of latchkey apis update --help.
func (updateAPI) Help() string {
	return `Examples:

    latchkey apis update payments --delete-protection --default-prefix sk
    latchkey apis update api_… --ip-whitelist 192.0.2.7,2001:db8::/32
    latchkey apis update api_… --clear ip-whitelist`
}

func apiRow(api latchkey.APISettings) []string {
	return []string{
		api.ID, api.Name, api.DefaultPrefix, yes(api.DeleteProtection), yes(api.StoreEncryptedKeys),
		ago(api.CreatedAt),
	}
}

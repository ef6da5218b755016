package cli

import (
	"strings"

	"github.com/latchkeyhq/latchkey"
)

// identityCommands are the commands of identities.
type identityCommands struct {
	Create struct {
		ExternalID string  `arg:"" json:"externalId" help:"Your name for it: an account, a customer, a service."`
		Meta       object  `json:"meta,omitempty" placeholder:"JSON" help:"Metadata, a JSON object."`
		Limits     []limit `name:"limit" sep:"none" json:"ratelimits,omitempty" placeholder:"RATE" help:"Rate limit that its keys share, such as 10/s or tokens=1000/min; repeatable."`
	} `cmd:"" op:"identities.createIdentity" done:"Created identity {externalId}. Its id:" last:"identityId" help:"Create an identity, the owner of keys; print its id."`
	List struct {
		Paging
		Search string `json:"search,omitempty" help:"Only those whose id or external id contains this text."`
	} `cmd:"" op:"identities.listIdentities" help:"List the identities."`
	Get struct {
		Identity string `arg:"" json:"identity" complete:"identities.listIdentities externalId" help:"Its external id or id."`
	} `cmd:"" op:"identities.getIdentity" help:"Show an identity."`
	Update struct {
		Identity string  `arg:"" json:"identity" complete:"identities.listIdentities externalId" help:"Its external id or id."`
		Meta     object  `json:"meta,omitempty" placeholder:"JSON" help:"Metadata, a JSON object; it replaces all of it."`
		Limits   []limit `name:"limit" sep:"none" json:"ratelimits,omitempty" placeholder:"RATE" help:"Rate limit that its keys share, such as 10/s or tokens=1000/min; repeatable. They replace all limits."`
		Clearing
	} `cmd:"" op:"identities.updateIdentity" done:"Updated identity {identity}." help:"Change an identity."`
	Suspend struct {
		Identity string `arg:"" json:"identity" complete:"identities.listIdentities externalId" help:"Its external id or id."`
		Confirmed
	} `cmd:"" op:"identities.updateIdentity" with:"enabled=false" confirm:"No key of identity {identity} will work until it is resumed." done:"Suspended identity {identity}. None of its keys works." help:"Disable all keys of an identity until it is resumed."`
	Resume struct {
		Identity string `arg:"" json:"identity" complete:"identities.listIdentities externalId" help:"Its external id or id."`
	} `cmd:"" op:"identities.updateIdentity" with:"enabled=true" done:"Resumed identity {identity}. Its keys work again." help:"Enable the keys of a suspended identity."`
	Delete struct {
		Identity string `arg:"" json:"identity" complete:"identities.listIdentities externalId" help:"Its external id or id."`
		Confirmed
	} `cmd:"" op:"identities.deleteIdentity" confirm:"The keys of identity {identity} stay valid, but lose their owner and its limits." done:"Deleted identity {identity}. Its keys still work, without an owner." help:"Delete an identity; its keys stay valid, without an owner."`
}

func identityRow(i latchkey.Identity) []string {
	return []string{
		i.ID, i.ExternalID, yes(!i.Disabled), limits(i.Ratelimits), string(i.Meta),
	}
}

// limits writes rate limits for people.
func limits(all []latchkey.Ratelimit) string {
	texts := make([]string, len(all))
	for i, l := range all {
		texts[i] = l.Name + "=" + perTime(l.Limit, l.Duration)
	}
	return strings.Join(texts, ", ")
}

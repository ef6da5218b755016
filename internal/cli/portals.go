package cli

import (
	"strconv"

	"github.com/latchkeyhq/latchkey"
)

// portalCommands are the commands of portals and of the sessions in them.
type portalCommands struct {
	Create struct {
		Slug     string `arg:"" json:"slug" help:"Readable name: lower-case letters, digits and hyphens."`
		Keyspace string `arg:"" json:"keyspaceId" placeholder:"ID" help:"Keyspace whose keys the portal shows."`
		Name     string `required:"" json:"displayName" help:"Name that end users see."`
		LogoURL  string `name:"logo-url" json:"logoUrl,omitempty" placeholder:"URL" help:"Logo, an https URL."`
		Color    string `json:"primaryColor,omitempty" placeholder:"#RRGGBB" help:"Color of buttons and links."`
	} `cmd:"" op:"portal.createPortal" done:"Created portal {slug}. Its id:" last:"portalId" help:"Create a portal; print its id."`
	Get struct {
		Portal string `arg:"" json:"portal" help:"The portal's id or slug."`
	} `cmd:"" op:"portal.getPortal" help:"Show a portal."`
	Update updatePortal `cmd:"" op:"portal.updatePortal" done:"Updated portal {portal}." help:"Change a portal."`
	Delete struct {
		Portal string `arg:"" json:"portal" help:"The portal's id or slug."`
		Confirmed
	} `cmd:"" op:"portal.deletePortal" confirm:"All sessions in portal {portal} will end." done:"Deleted portal {portal}. Its sessions ended." help:"Delete a portal; its sessions end, the keys stay."`
	Open struct {
		Portal    string   `arg:"" json:"portal" help:"The portal's id or slug."`
		User      string   `arg:"" json:"externalId" help:"Your name for the end user."`
		Scope     []string `json:"scopes" default:"keys:read" help:"What the end user can do: keys:read, keys:reroll, analytics:read."`
		ReturnURL string   `name:"return-url" json:"returnUrl,omitempty" placeholder:"URL" help:"Where the end user returns to."`
	} `cmd:"" op:"portal.createSession" done:"Created session {id}. Whoever opens this URL first, within 15 minutes, has it:" last:"url" help:"Create a session of an end user; print its URL."`
	Sessions struct {
		Portal string `arg:"" json:"portal" help:"The portal's id or slug."`
		Paging
		Search string `json:"search,omitempty" help:"Only end users whose external id begins with this text."`
	} `cmd:"" op:"portal.listSessions" help:"List the end users who have sessions in a portal."`
	Revoke struct {
		Portal string `arg:"" json:"portal" help:"The portal's id or slug."`
		User   string `arg:"" json:"externalId" help:"Your name for the end user."`
	} `cmd:"" op:"portal.revokeSession" done:"Ended {sessionsRevoked} sessions of {externalId}." help:"End all sessions of an end user in a portal."`
}

// updatePortal changes a portal.
type updatePortal struct {
	Portal   string  `arg:"" json:"portal" help:"The portal's id or slug."`
	Slug     *string `json:"slug,omitempty" help:"New readable name."`
	Name     *string `json:"displayName,omitempty" help:"New name that end users see."`
	Keyspace *string `json:"keyspaceId,omitempty" placeholder:"ID" help:"Another keyspace; all sessions end."`
	Enabled  *bool   `negatable:"" json:"enabled,omitempty" help:"Permit sessions; --no-enabled ends all."`
	LogoURL  *string `name:"logo-url" json:"logoUrl,omitempty" placeholder:"URL" help:"Logo, an https URL."`
	Color    *string `json:"primaryColor,omitempty" placeholder:"#RRGGBB" help:"Color of buttons and links."`
	Clearing
}

func portalUserRow(u latchkey.PortalUser) []string {
	active := 0
	for _, s := range u.Sessions {
		if s.Status == latchkey.SessionActive {
			active++
		}
	}
	newest := ""
	if len(u.Sessions) > 0 {
		newest = ago(u.Sessions[0].CreatedAt)
	}
	return []string{u.ExternalID, strconv.Itoa(active), strconv.Itoa(len(u.Sessions) - active), newest}
}

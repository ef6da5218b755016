package cli

// selfCommands are the commands of whoever has a key, without a root key.
type selfCommands struct {
	Get struct {
		HolderKey
	} `cmd:"" op:"self.getKey" help:"Show the key, and what is left of its credits and limits."`
	Reroll struct {
		Grace grace `required:"" json:"expiration" placeholder:"TIME" help:"How long the old key still works, such as 24h or 7d; a minute at least."`
		HolderKey
	} `cmd:"" op:"self.rerollKey" done:"The new key replaces the old one. It is shown only once:" last:"key" help:"Replace the key by a new one; print it."`
	Revoke struct {
		HolderKey
		Confirmed
	} `cmd:"" op:"self.revokeKey" confirm:"The key will never work again." done:"Revoked the key." help:"Revoke the key for good."`
}

// HolderKey is the flag of commands that call with an API key in place of a root key.
type HolderKey struct {
	Key string `required:"" env:"LATCHKEY_KEY" json:"-" help:"The API key; rather set LATCHKEY_KEY, because other users of this machine see arguments."`
}

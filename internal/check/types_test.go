package check

import "github.com/latchkeyhq/latchkey"

// The request types of the tests: between them they have every kind of field.

type verification struct {
	Key         string   `json:"key" check:"required,min=1,max=512"`
	Tags        []string `json:"tags,omitzero" check:"max=20,items.min=1,items.max=512"`
	Permissions string   `json:"permissions,omitzero" check:"min=1,max=1000"`
	Credits     *cost    `json:"credits,omitzero"`
	Ratelimits  []adHoc  `json:"ratelimits,omitzero"`
	MigrationID string   `json:"migrationId,omitzero" check:"max=256"`
}

type cost struct {
	Cost int64 `json:"cost" check:"required,min=0,max=1000000000000"`
}

type adHoc struct {
	Name     string                      `json:"name" check:"required,min=3,max=255"`
	Cost     latchkey.Opt[int]           `json:"cost,omitzero" check:"min=0,default=1"`
	Limit    latchkey.Opt[int64]         `json:"limit,omitzero" check:"min=0"`
	Duration latchkey.Duration           `json:"duration,omitzero" check:"min=1000"`
	Until    latchkey.Opt[latchkey.Time] `json:"until,omitzero" check:"min=0"`
}

type color string

type update struct {
	KeyID       string                          `json:"keyId" check:"required,min=3,max=255,pattern=id"`
	Name        latchkey.Opt[string]            `json:"name,omitzero" check:"null,min=1,max=8"`
	ExternalID  latchkey.Opt[string]            `json:"externalId,omitzero" check:"null,min=1,pattern=externalId"`
	Meta        latchkey.Opt[latchkey.Meta]     `json:"meta,omitzero" check:"null,max=3"`
	Labels      latchkey.Meta                   `json:"labels,omitzero" check:"min=1,max=2"`
	Expires     latchkey.Opt[latchkey.Time]     `json:"expires,omitzero" check:"null,min=0,max=4102444800000"`
	Since       latchkey.Time                   `json:"since,omitzero" check:"min=0"`
	Credits     latchkey.Opt[balance]           `json:"credits,omitzero" check:"null"`
	Ratelimits  latchkey.Opt[[]rate]            `json:"ratelimits,omitzero" check:"max=3"`
	Enabled     latchkey.Opt[bool]              `json:"enabled,omitzero"`
	Forever     bool                            `json:"forever,omitzero" check:"default=false"`
	Roles       latchkey.Opt[[]string]          `json:"roles,omitzero" check:"max=3,items.min=1"`
	Permissions []string                        `json:"permissions,omitzero" check:"min=1,max=3,items.max=9,items.pattern=slug"`
	Colors      []color                         `json:"colors,omitzero" check:"items.enum=red|green"`
	ByteLength  int                             `json:"byteLength,omitzero" check:"min=16,max=255"`
	Limits      rateBounds                      `json:"limits,omitzero"`
	Window      latchkey.Opt[latchkey.Duration] `json:"window,omitzero" check:"min=1000"`
	Hidden      string                          `json:"-"`
	Untagged    string
}

type balance struct {
	Remaining latchkey.Opt[int64]  `json:"remaining,omitzero" check:"null,min=0"`
	Refill    latchkey.Opt[refill] `json:"refill,omitzero" check:"null"`
}

type refill struct {
	Interval color `json:"interval" check:"required,enum=daily|monthly"`
	Amount   int64 `json:"amount" check:"required,min=1"`
	Day      int   `json:"refillDay,omitzero" check:"min=1,max=31"`
}

type rate struct {
	_         struct{}          `check:"loose"`
	Name      string            `json:"name" check:"required,min=3,max=128"`
	Limit     int64             `json:"limit" check:"required,min=1"`
	Duration  latchkey.Duration `json:"duration" check:"required,min=1000"`
	AutoApply bool              `json:"autoApply" check:"required"`
}

type rateBounds struct {
	Low  int `json:"low,omitzero" check:"min=2"`
	High int `json:"high,omitzero" check:"max=9"`
}

type call struct {
	Namespace string `json:"namespace" check:"required,min=1,max=512"`
	Limit     int64  `json:"limit" check:"required,min=1"`
	Mode      color  `json:"mode,omitzero" check:"enum=fast|exact"`
	Extra     *extra `json:"extra,omitzero" check:"required"`
}

type extra struct {
	Each []string `json:"each,omitzero" check:"required,min=1,items.pattern=resource"`
}

type calls []call

func (calls) CheckTag() string { return "min=1,max=3" }

// wellFormed is an update with every field.
const wellFormed = `{
	"keyId": "key_1", "name": "grüße", "externalId": "user.1-a_b", "meta": {"plan": "pro", "seats": 12345678901234567890},
	"labels": {"a": [1, {"b": null}]}, "expires": 4102444800000, "since": 0,
	"credits": {"remaining": null, "refill": {"interval": "daily", "amount": 10, "refillDay": 31}},
	"ratelimits": [{"name": "abc", "limit": 1, "duration": 1000, "autoApply": false, "id": "rl_1"}],
	"enabled": false, "forever": true, "roles": ["admin"], "permissions": ["docs.*", "a:b-c"], "colors": ["red", "green"],
	"byteLength": 16, "limits": {"low": 2, "high": -9}, "window": 60000, "Untagged": "\ud83d\ude00\n"
}`

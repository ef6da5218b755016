package spec

import (
	"bytes"
	"encoding/json"
)

// The types of this file are the parts of OpenAPI 3.1 that the document uses, with
// the names of its specification (https://spec.openapis.org/oas/v3.1.0).

type document struct {
	OpenAPI    string     `json:"openapi"`
	Info       info       `json:"info"`
	Servers    []server   `json:"servers"`
	Security   []security `json:"security"`
	Tags       []tag      `json:"tags"`
	Paths      object     `json:"paths"`
	Components components `json:"components"`
}

type info struct {
	Title       string  `json:"title"`
	Summary     string  `json:"summary"`
	Description string  `json:"description"`
	License     license `json:"license"`
	Version     string  `json:"version"`
}

type license struct {
	Name       string `json:"name"`
	Identifier string `json:"identifier"`
}

type server struct {
	URL         string `json:"url"`
	Description string `json:"description"`
}

// security lists the schemes that together authenticate a request, with their scopes.
type security map[string][]string

type tag struct {
	Name        string `json:"name"`
	Description string `json:"description"`
}

type components struct {
	Schemas         map[string]*schema        `json:"schemas"`
	Responses       map[string]*response      `json:"responses"`
	Parameters      map[string]parameter      `json:"parameters"`
	Headers         map[string]header         `json:"headers"`
	SecuritySchemes map[string]securityScheme `json:"securitySchemes"`
}

type securityScheme struct {
	Type        string `json:"type"`
	Scheme      string `json:"scheme,omitempty"`
	In          string `json:"in,omitempty"`
	Name        string `json:"name,omitempty"`
	Description string `json:"description"`
}

type operation struct {
	Tags        []string     `json:"tags"`
	Summary     string       `json:"summary"`
	Description string       `json:"description"`
	OperationID string       `json:"operationId"`
	Security    *[]security  `json:"security,omitempty"` // nil for the document's, empty for none
	Parameters  []reference  `json:"parameters,omitempty"`
	RequestBody *requestBody `json:"requestBody,omitempty"`
	Responses   object       `json:"responses"` // of *response or reference, by status
	// Official says that Unkey's own clients have the operation.
	Official bool `json:"x-official,omitempty"`
}

type reference struct {
	Ref string `json:"$ref"`
}

type parameter struct {
	Name        string  `json:"name"`
	In          string  `json:"in"`
	Description string  `json:"description"`
	Schema      *schema `json:"schema"`
}

type requestBody struct {
	Required bool   `json:"required"`
	Content  object `json:"content"` // of mediaType, by media type
}

type response struct {
	Description string `json:"description"`
	Headers     object `json:"headers,omitempty"` // of reference, by header name
	Content     object `json:"content"`           // of mediaType, by media type
}

type header struct {
	Description string  `json:"description"`
	Schema      *schema `json:"schema"`
}

type mediaType struct {
	Schema  *schema         `json:"schema"`
	Example json.RawMessage `json:"example"`
}

// object is a JSON object that keeps the order of its members, which is the order
// of the Go declarations they come from.
type object []member

type member struct {
	name  string
	value any
}

// MarshalJSON writes the members in their order.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		for _, part := range []any{m.name, m.value} {
			text, err := encode(part, "")
			if err != nil {
				return nil, err
			}
			b.Write(bytes.TrimSuffix(text, []byte("\n")))
			b.WriteByte(':')
		}
		b.Truncate(b.Len() - 1)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// encode writes JSON for people: it doesn't escape < and >, and ends with a newline.
func encode(v any, indent string) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	err := enc.Encode(v)
	return b.Bytes(), err
}

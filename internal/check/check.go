// Package check parses check tags, the validation rules of the fields of a request.
// They are written once, beside the fields in the root package. The code that
// validates requests (package wire) and the schemas of the API's description
// (package spec) are generated from them.
//
// A tag is a comma-separated list of rules:
//
//	required        the field must be present
//	null            JSON null is allowed; the field is a latchkey.Opt
//	min=N, max=N    characters of a string, value of a number, items of a list,
//	                properties of a Meta, milliseconds of a Time or Duration
//	pattern=NAME    every character of a string is of a named class: id,
//	                externalId, slug, resource or label
//	enum=a|b        the strings that are allowed
//	default=V       the value that the service uses without the field; only
//	                documents it
//	items.RULE      min, max, pattern or enum of each string of a list
//
// A blank field tagged check:"loose" makes its struct ignore unknown properties;
// other structs reject them. A named slice type that is a whole request has a
// method that returns its tag, see [Tagger].
package check

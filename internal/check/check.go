// Package check reads check tags, the rules that the fields of a request must obey.
// They are written once, in the root package, beside the fields. From them come the
// code that checks requests (package wire) and the schemas of the API's description
// (package spec).
//
// A tag is a list of rules with commas between them:
//
//	required        the field must be there
//	null            JSON null is allowed; the field is a latchkey.Opt
//	min=N, max=N    characters of a string, value of a number, items of a list,
//	                properties of a Meta, milliseconds of a Time or Duration
//	pattern=NAME    every character of a string is of a named class: id,
//	                externalId, slug or resource
//	enum=a|b        the strings that are allowed
//	default=V       what the service does without the field; for the manual only
//	items.RULE      min, max, pattern or enum of each string of a list
//
// A blank field tagged check:"loose" makes its struct ignore properties that it
// does not know; other structs refuse them. A named slice type that is a whole
// request carries its own tag, see [Tagger].
package check

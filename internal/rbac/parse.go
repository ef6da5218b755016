package rbac

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxDepth is the maximum nesting of parentheses. It bounds the stack. A query in
// a request has at most 1000 characters, so a valid one can't nest deeper.
const maxDepth = 500

// SyntaxError says where a permission query is wrong.
type SyntaxError struct {
	// Offset is where the unexpected word begins, or the length of the text if
	// more was expected. It counts both bytes and characters, because everything
	// before the first error is ASCII.
	Offset int
	// Msg says what was expected there and what was found.
	Msg string
}

// Error returns the offset and the message in one line.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("permission query, at offset %d: %s", e.Offset, e.Msg)
}

// Parse reads a permission query; every error is a [*SyntaxError].
//
//	expr    = and { OR and }
//	and     = primary { AND primary }
//	primary = NAME | "(" expr ")"
//	NAME    = one or more of A-Z a-z 0-9 . _ - : * /
//
// AND and OR are whole words in any case. Spaces, tabs, carriage returns and
// line feeds separate words; none is needed next to a parenthesis.
func Parse(text string) (*Query, error) {
	p := parser{text: text}
	p.next()
	root, err := p.expr()
	if err == nil && p.word != "" {
		err = p.expected("AND, OR or the end")
	}
	if err != nil {
		return nil, err
	}
	return &Query{root}, nil
}

// parser reads by recursive descent, one word ahead.
type parser struct {
	text  string
	at    int    // where word begins
	word  string // a run of name characters, one other character, or "" at the end
	depth int    // open parentheses
}

// next moves on to the following word.
func (p *parser) next() {
	rest := strings.TrimLeft(p.text[p.at+len(p.word):], " \t\r\n")
	p.at = len(p.text) - len(rest)
	p.word = rest[:wordLen(rest)]
}

func wordLen(s string) int {
	for i := range len(s) {
		if isName(s[i]) {
			continue
		}
		if i > 0 {
			return i
		}
		_, size := utf8.DecodeRuneInString(s)
		return size
	}
	return len(s)
}

func isName(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		strings.IndexByte("._-:*/", c) >= 0
}

func (p *parser) is(keyword string) bool { return strings.EqualFold(p.word, keyword) }

func (p *parser) expr() (term, error) { return p.chain("OR", (*parser).and) }

func (p *parser) and() (term, error) { return p.chain("AND", (*parser).primary) }

// chain reads one or more operands with the keyword between them. A single operand
// is returned as it is, so redundant parentheses cost nothing when the query runs.
func (p *parser) chain(keyword string, operand func(*parser) (term, error)) (term, error) {
	first, err := operand(p)
	if err != nil || !p.is(keyword) {
		return first, err
	}
	all := term{and: keyword == "AND", terms: []term{first}}
	for p.is(keyword) {
		p.next()
		t, err := operand(p)
		if err != nil {
			return term{}, err
		}
		all.terms = append(all.terms, t)
	}
	return all, nil
}

func (p *parser) primary() (term, error) {
	switch {
	case p.word == "(":
		return p.group()
	case p.word == "" || !isName(p.word[0]) || p.is("AND") || p.is("OR"):
		return term{}, p.expected(`a permission or "("`)
	}
	t := term{name: p.word}
	p.next()
	return t, nil
}

// group reads an expression in parentheses.
func (p *parser) group() (term, error) {
	if p.depth == maxDepth {
		return term{}, p.expected(fmt.Sprintf("at most %d nested parentheses", maxDepth))
	}
	p.depth++
	p.next()
	t, err := p.expr()
	if err != nil {
		return term{}, err
	}
	if p.word != ")" {
		return term{}, p.expected(`AND, OR or ")"`)
	}
	p.depth--
	p.next()
	return t, nil
}

func (p *parser) expected(what string) *SyntaxError {
	found := "the end"
	if p.word != "" {
		found = fmt.Sprintf("%.40q", p.word)
	}
	return &SyntaxError{p.at, fmt.Sprintf("expected %s, found %s", what, found)}
}

package manual

import (
	"bytes"
	"fmt"
	"net/url"
	"path"
	"strings"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
)

// Prefix is the beginning of the path of each page's URL.
const Prefix = "/docs/"

// repository is where the files beside the documentation are.
const repository = "https://github.com/latchkeyhq/latchkey/blob/main/"

// markdown reads what GitHub reads, but for HTML, which it leaves out. The policy of pages
// refuses styles, so cells are aligned by attributes.
var markdown = goldmark.New(
	goldmark.WithExtensions(extension.Strikethrough, extension.NewTable(
		extension.WithTableCellAlignMethod(extension.TableCellAlignAttribute))),
	goldmark.WithParserOptions(parser.WithAutoHeadingID()),
)

// render makes a page of a Markdown file, whose first heading is its title.
func render(slug string, source []byte) (*Page, error) {
	doc := markdown.Parser().Parse(text.NewReader(source),
		parser.WithContext(parser.NewContext(parser.WithIDs(ids{}))))
	p := &Page{Slug: slug, Title: slug, Sections: []Section{{Level: 1}}}
	for n := doc.FirstChild(); n != nil; n = n.NextSibling() {
		heading, ok := n.(*ast.Heading)
		switch {
		case ok && heading.Level == 1:
			p.Title = plain(n, source)
			p.Sections[0].Title = p.Title
		case ok:
			id, _ := n.AttributeString("id")
			name, _ := id.([]byte)
			p.Sections = append(p.Sections, Section{
				ID: string(name), Title: plain(n, source), Level: heading.Level,
			})
		default:
			last := &p.Sections[len(p.Sections)-1]
			last.Text = strings.TrimSpace(last.Text + " " + plain(n, source))
		}
	}
	if err := relink(doc); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := markdown.Renderer().Render(&b, source, doc); err != nil {
		return nil, err
	}
	p.HTML = html(&b)
	return p, nil
}

// plain returns the text of a node without markup.
func plain(n ast.Node, source []byte) string {
	var b strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			if n.Type() == ast.TypeBlock {
				b.WriteByte(' ')
			}
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Text:
			b.Write(n.Segment.Value(source))
			if n.SoftLineBreak() || n.HardLineBreak() {
				b.WriteByte(' ')
			}
		case *ast.FencedCodeBlock, *ast.CodeBlock:
			b.Write(n.Lines().Value(source))
		}
		return ast.WalkContinue, nil
	})
	return strings.Join(strings.Fields(b.String()), " ")
}

// relink makes links to files links to pages, or to the repository.
func relink(doc ast.Node) error {
	return ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		link, ok := n.(*ast.Link)
		if !ok || !entering {
			return ast.WalkContinue, nil
		}
		to, err := url.Parse(string(link.Destination))
		if err != nil {
			return ast.WalkStop, fmt.Errorf("a link: %w", err)
		}
		if to.Scheme == "" && to.Host == "" && to.Path != "" {
			link.Destination = []byte(target(to))
		}
		return ast.WalkContinue, nil
	})
}

// target returns the URL of a file that a page links to.
func target(to *url.URL) string {
	in := path.Join("docs", to.Path)
	if slug, isPage := strings.CutSuffix(strings.TrimPrefix(in, "docs/"), ".md"); isPage &&
		!strings.Contains(slug, "/") && strings.HasPrefix(in, "docs/") {
		in = Prefix + slug
	} else {
		in = repository + in
	}
	if to.Fragment != "" {
		in += "#" + to.Fragment
	}
	return in
}

// ids names headings as GitHub does, because links count on that.
type ids map[string]int

// Generate returns the name of a heading.
func (s ids) Generate(value []byte, _ ast.NodeKind) []byte {
	id := strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, strings.TrimSpace(string(value)))
	n := s[id]
	s[id]++
	if n > 0 {
		id = fmt.Sprintf("%s-%d", id, n)
	}
	return []byte(id)
}

// Put notes a name that a heading has already.
func (s ids) Put(value []byte) { s[string(value)]++ }

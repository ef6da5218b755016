package spec

import (
	"go/doc"
	"go/doc/comment"
	"regexp"
	"strings"
)

// markdown turns a Go comment into Markdown: each paragraph is one line, and code is
// in code spans.
func markdown(pkg *doc.Package, text string) string {
	var blocks []string
	for _, block := range pkg.Parser().Parse(text).Content {
		blocks = append(blocks, blockText(block))
	}
	return strings.Join(blocks, "\n\n")
}

func blockText(block comment.Block) string {
	switch b := block.(type) {
	case *comment.Paragraph:
		return code(plain(b.Text))
	case *comment.Heading:
		return "**" + plain(b.Text) + "**"
	case *comment.Code:
		return "```\n" + b.Text + "```"
	case *comment.List:
		return listText(b)
	}
	return ""
}

func listText(list *comment.List) string {
	var lines []string
	for _, item := range list.Items {
		mark := "- "
		if item.Number != "" {
			mark = item.Number + ". "
		}
		var parts []string
		for _, block := range item.Content {
			parts = append(parts, blockText(block))
		}
		lines = append(lines, mark+strings.Join(parts, " "))
	}
	return strings.Join(lines, "\n")
}

// plain returns the text on one line. Links to Go declarations become plain words,
// because a reader of the API can't follow them.
func plain(text []comment.Text) string {
	var b strings.Builder
	for _, t := range text {
		switch t := t.(type) {
		case comment.Plain:
			b.WriteString(string(t))
		case comment.Italic:
			b.WriteString(string(t))
		case *comment.Link:
			b.WriteString(plain(t.Text))
		case *comment.DocLink:
			b.WriteString(plain(t.Text))
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// codeText matches the code in prose: quoted text; names with dots, such as
// keys.verifyKey and api.*.read_key, and paths; placeholders and the text joined to
// them; names with underscores; words in capitals, which are codes; asterisks.
var codeText = regexp.MustCompile(strings.Join([]string{
	`"[^"]+"`,
	`\b[a-z][a-zA-Z_]+(\.([a-zA-Z_]+|\*|<\w+>))+(/[\w.-]*\w)*`,
	`[\w./-]*<\w+>([\w./<>-]*[\w>])?`,
	`\b\w+_\w+\b`,
	`\b[A-Z]{5,}\b`,
	`\*`,
}, "|"))

// code puts the code in a line of prose into code spans, so that Markdown doesn't
// interpret its asterisks, underscores and angle brackets.
func code(line string) string {
	return codeText.ReplaceAllStringFunc(line, func(m string) string {
		return "`" + strings.Trim(m, `"`) + "`"
	})
}

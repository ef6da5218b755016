package latchkey_test

import (
	"go/ast"
	"go/doc"
	"go/doc/comment"
	"regexp"
	"strings"
	"testing"
)

// publicPackages are the folders of the packages that programs import.
var publicPackages = []string{
	".", "protect", "embedded", "latchkeytest",
	"adapters/echoguard", "adapters/fiberguard", "adapters/ginguard", "adapters/grpcguard",
}

// TestDocLinksResolve: each [Name] of a doc comment names something that exists,
// so that it becomes a link. Comments of fields and methods of interfaces are
// shown as they are written, so they have no links.
func TestDocLinksResolve(t *testing.T) {
	for _, dir := range publicPackages {
		pkg := documentation(t, dir)
		for name, text := range comments(pkg) {
			for _, link := range unresolved(t, pkg, text) {
				t.Errorf("%s: %s: %s is no link", dir, name, link)
			}
		}
		for _, typ := range pkg.Types {
			for _, text := range memberComments(typ.Decl) {
				if link := bracketed.FindString(text); link != "" {
					t.Errorf("%s: a member of %s: %s is not shown as a link", dir, typ.Name, link)
				}
			}
		}
	}
}

// bracketed matches what looks like a doc link.
var bracketed = regexp.MustCompile(`(^|\W)\[\*?[A-Za-z_][\w.]*\]`)

// comments returns the doc comments of a package by what they document.
func comments(pkg *doc.Package) map[string]string {
	all := map[string]string{"the package": pkg.Doc}
	add := func(prefix string, funcs []*doc.Func, groups ...[]*doc.Value) {
		for _, f := range funcs {
			all[prefix+f.Name] = f.Doc
		}
		for _, group := range groups {
			for _, v := range group {
				all[prefix+strings.Join(v.Names, ", ")] = v.Doc
			}
		}
	}
	add("", pkg.Funcs, pkg.Consts, pkg.Vars)
	for _, typ := range pkg.Types {
		all[typ.Name] = typ.Doc
		add("", typ.Funcs, typ.Consts, typ.Vars)
		add(typ.Name+".", typ.Methods)
	}
	return all
}

// unresolved returns what looks like a link in a doc comment and is none.
func unresolved(t *testing.T, pkg *doc.Package, text string) (links []string) {
	var look func(texts []comment.Text)
	look = func(texts []comment.Text) {
		for _, part := range texts {
			switch part := part.(type) {
			case comment.Plain:
				links = append(links, bracketed.FindAllString(string(part), -1)...)
			case *comment.Link:
				look(part.Text)
			case *comment.DocLink:
				if !exists(t, part) {
					links = append(links, "["+part.ImportPath+"."+part.Recv+"."+part.Name+"]")
				}
			}
		}
	}
	for _, block := range pkg.Parser().Parse(text).Content {
		switch block := block.(type) {
		case *comment.Paragraph:
			look(block.Text)
		case *comment.Heading:
			look(block.Text)
		case *comment.List:
			for _, item := range block.Items {
				for _, content := range item.Content {
					look(content.(*comment.Paragraph).Text)
				}
			}
		}
	}
	return links
}

// exists reports whether the target of a link to another package of this module
// exists. The parser has looked up those in the same package.
func exists(t *testing.T, link *comment.DocLink) bool {
	dir, ours := strings.CutPrefix(link.ImportPath, module)
	if !ours || link.Name == "" {
		return true
	}
	dir = strings.TrimPrefix(dir, "/")
	if dir == "" {
		dir = "."
	}
	name := link.Name
	if link.Recv != "" {
		name = link.Recv + "." + link.Name
	}
	for documented := range comments(documentation(t, dir)) {
		for _, one := range strings.Split(documented, ", ") {
			if one == name {
				return true
			}
		}
	}
	return false
}

// memberComments returns the comments of the fields of a struct or the methods of
// an interface.
func memberComments(decl *ast.GenDecl) (texts []string) {
	var members *ast.FieldList
	switch typ := decl.Specs[0].(*ast.TypeSpec).Type.(type) {
	case *ast.StructType:
		members = typ.Fields
	case *ast.InterfaceType:
		members = typ.Methods
	default:
		return nil
	}
	for _, member := range members.List {
		for _, group := range []*ast.CommentGroup{member.Doc, member.Comment} {
			texts = append(texts, group.Text())
		}
	}
	return texts
}

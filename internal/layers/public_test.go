package layers_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// An application can not name a type of internal/, so nothing that it can call may ask for one or return one.
func TestPublicPackagesMentionNoInternalTypes(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{"queue", "admit", "admin", "worker/host", "schema"} {
		names, err := filepath.Glob("../../" + dir + "/*.go")
		require.NoError(t, err)
		require.NotEmpty(t, names)
		for _, name := range names {
			if !strings.HasSuffix(name, "_test.go") {
				checkExported(t, name)
			}
		}
	}
}

func checkExported(t *testing.T, name string) {
	t.Helper()
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, name, nil, 0)
	require.NoError(t, err)
	internal := internalImports(file)
	for _, d := range file.Decls {
		for _, exported := range exportedTypes(d) {
			ast.Inspect(exported, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok {
					if x, ok := s.X.(*ast.Ident); ok && internal[x.Name] {
						t.Errorf("%s: %s.%s is internal", files.Position(n.Pos()), x.Name, s.Sel.Name)
					}
				}
				return true
			})
		}
	}
}

func internalImports(file *ast.File) map[string]bool {
	names := map[string]bool{}
	for _, i := range file.Imports {
		path := strings.Trim(i.Path.Value, `"`)
		if strings.HasPrefix(path, "sluice/internal/") {
			names[path[strings.LastIndex(path, "/")+1:]] = true
		}
	}
	return names
}

// exportedTypes are the types that a declaration shows to others: signatures of functions and methods, fields, aliases.
func exportedTypes(d ast.Decl) (types []ast.Node) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && (d.Recv == nil || exportedReceiver(d.Recv)) {
			types = append(types, d.Type)
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.ValueSpec:
				if s.Names[0].IsExported() && s.Type != nil {
					types = append(types, s.Type)
				}
			case *ast.TypeSpec:
				if !s.Name.IsExported() {
					continue
				}
				of, isStruct := s.Type.(*ast.StructType)
				if !isStruct {
					types = append(types, s.Type)
					continue
				}
				for _, f := range of.Fields.List {
					if len(f.Names) == 0 || f.Names[0].IsExported() {
						types = append(types, f.Type)
					}
				}
			}
		}
	}
	return types
}

func exportedReceiver(receiver *ast.FieldList) bool {
	of := receiver.List[0].Type
	if pointer, ok := of.(*ast.StarExpr); ok {
		of = pointer.X
	}
	if generic, ok := of.(*ast.IndexExpr); ok {
		of = generic.X
	}
	name, ok := of.(*ast.Ident)
	return ok && name.IsExported()
}

package store

import (
	"embed"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
)

//go:embed sql/*.sql
var files embed.FS

// parameter is how a statement names one: as psql does, quoted, so that a file can be pasted there after \set.
var parameter = regexp.MustCompile(`:'([a-z_]+)'`)

// Load reads the statement sql/<name>.sql and numbers its parameters, :'shard' for example, in the order in which they are
// given here, which is the order of the arguments. It panics where the file does not have exactly these: the program is
// wrong then, whatever it is asked to do.
func Load(from fs.FS, name string, parameters ...string) string {
	raw, err := fs.ReadFile(from, "sql/"+name+".sql")
	if err != nil {
		panic(fmt.Sprintf("load statement %s: %v", name, err))
	}
	used := make([]bool, len(parameters))
	sql := parameter.ReplaceAllStringFunc(string(raw), func(match string) string {
		i := slices.Index(parameters, parameter.FindStringSubmatch(match)[1])
		if i < 0 {
			panic(fmt.Sprintf("statement %s has a parameter %s that its caller does not give", name, match))
		}
		used[i] = true
		return fmt.Sprintf("$%d", i+1)
	})
	if i := slices.Index(used, false); i >= 0 {
		panic(fmt.Sprintf("statement %s has no parameter %s", name, parameters[i]))
	}
	return sql
}

func load(name string, parameters ...string) string { return Load(files, name, parameters...) }

package validate

import (
	"bytes"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/stretchr/testify/require"
)

// imageUser is the user without rights of the base image.
const imageUser = 65532

// stages reads the Dockerfile. What the linter of docker build says fails the test.
func stages(t *testing.T) (build, image instructions.Stage) {
	t.Helper()
	raw, err := os.ReadFile("../Dockerfile")
	require.NoError(t, err)
	parsed, err := parser.Parse(bytes.NewReader(raw))
	require.NoError(t, err)
	lint := linter.New(&linter.Config{Warn: func(rule, _, _, message string, _ []parser.Range) { t.Errorf("%s: %s", rule, message) }})
	list, _, err := instructions.Parse(parsed.AST, lint)
	require.NoError(t, err)
	require.Len(t, list, 2)
	return list[0], list[1]
}

func commandsOf[T instructions.Command](s instructions.Stage) (list []T) {
	for _, c := range s.Commands {
		if of, ok := c.(T); ok {
			list = append(list, of)
		}
	}
	return list
}

// imageFiles are the binaries that the image has.
func imageFiles(t *testing.T) (list []string) {
	t.Helper()
	_, image := stages(t)
	for _, c := range commandsOf[*instructions.CopyCommand](image) {
		for _, from := range c.SourcePaths {
			list = append(list, path.Join(c.DestPath, path.Base(from)))
		}
	}
	return list
}

// buildCommand is what builds the binaries.
func buildCommand(t *testing.T) string {
	t.Helper()
	build, _ := stages(t)
	runs := commandsOf[*instructions.RunCommand](build)
	return strings.Join(runs[len(runs)-1].CmdLine, " ")
}

func TestTheImageRunsTheWorkerWithoutRights(t *testing.T) {
	t.Parallel()
	_, image := stages(t)
	require.Equal(t, "65532:65532", commandsOf[*instructions.UserCommand](image)[0].User)
	run := commandsOf[*instructions.CmdCommand](image)[0]
	require.False(t, run.PrependShell, "there is no shell")
	require.True(t, slices.Contains(imageFiles(t), run.CmdLine[0]))
	require.Contains(t, buildCommand(t), "CGO_ENABLED=0")
}

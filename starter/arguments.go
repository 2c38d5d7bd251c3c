package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
)

// exactly demands the named arguments, no more and no fewer.
func exactly(names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return fmt.Errorf("%s is missing", names[len(args)])
		case len(args) > len(names):
			return fmt.Errorf("unexpected argument %q", args[len(names)])
		}
		return nil
	}
}

func parseID(what, value, noun, list string) (uuid.UUID, error) {
	id, err := uuid.Parse(strings.TrimSpace(value))
	if err != nil || id == uuid.Nil {
		return uuid.Nil, &usageError{message: fmt.Sprintf("%s %q is not a %s id (a UUID)", what, value, noun), hint: "list them with: " + list}
	}
	return id, nil
}

func workspaceID(what, value string) (uuid.UUID, error) {
	return parseID(what, value, "workspace", "starter workspace list")
}

// optionalWorkspace is the nil id when the flag was not given.
func optionalWorkspace(command *cobra.Command, value string) (uuid.UUID, error) {
	if !command.Flags().Changed("workspace") {
		return uuid.Nil, nil
	}
	return workspaceID("--workspace", value)
}

func definitionID(what, value string) (uuid.UUID, error) {
	return parseID(what, value, "definition", "starter definition list")
}

func itemID(value string) (uuid.UUID, error) {
	return parseID("argument", strings.TrimPrefix(value, "execution-"), "queue item", "starter list")
}

// readFile reads a file, or stdin for "-". More than the limit is refused before it fills the memory.
func (a *app) readFile(path string, limit int64) ([]byte, error) {
	in := a.stdin
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return nil, usage("%v", err)
		}
		defer func() { _ = file.Close() }()
		in = file
	}
	raw, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err != nil {
		return nil, usage("read %s: %v", path, err)
	}
	if int64(len(raw)) > limit {
		return nil, usage("%s has more than %d bytes", path, limit)
	}
	return raw, nil
}

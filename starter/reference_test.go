package main

import (
	"testing"

	"github.com/spf13/cobra"

	"sluice/internal/referencetest"
)

func TestTheReferenceHasEveryCommandAndFlag(t *testing.T) {
	root := newRoot(&app{})
	tables := []referencetest.Table{{Section: "## Command line", Head: "flag of every command", Flags: root.PersistentFlags()}}
	var visit func(command *cobra.Command)
	visit = func(command *cobra.Command) {
		if command.HasParent() && (!command.HasSubCommands() || command.Flags().HasFlags()) { // what only holds others has no flags
			tables = append(tables, referencetest.Table{Section: "#### " + command.CommandPath(), Head: "flag", Flags: command.LocalNonPersistentFlags()})
		}
		for _, child := range command.Commands() {
			visit(child)
		}
	}
	visit(root)
	referencetest.Require(t, "../docs/reference.md", *update, tables...)
}

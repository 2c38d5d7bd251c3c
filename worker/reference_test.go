package main

import (
	"flag"
	"testing"

	"sluice/internal/metric"
	"sluice/internal/referencetest"
)

var update = flag.Bool("update", false, "write the flags and metrics to docs/reference.md")

func TestTheReferenceHasEveryFlag(t *testing.T) {
	for _, name := range []string{"SLUICE_DEV_DIR", "SLUICE_SECRETS_DIR", "SLUICE_ALLOW_PRIVATE_ADDRESSES"} {
		t.Setenv(name, "")
	}
	referencetest.Require(t, "../docs/reference.md", *update, referencetest.Table{Section: "### Worker", Head: "flag", Flags: newCommand(nil).Flags()})
}

func TestTheReferenceHasEveryMetric(t *testing.T) {
	referencetest.Require(t, "../docs/reference.md", *update,
		referencetest.Table{Section: "### What a worker counts", Metrics: metric.Counted()}, referencetest.Table{Section: "### How everything is", Metrics: metric.Levels()})
}

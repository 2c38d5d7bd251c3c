package keep

import (
	"testing"

	"go.uber.org/goleak"

	"sluice/internal/devstack/devtest"
)

func TestMain(m *testing.M) {
	devtest.Main(m, devtest.AfterClose(func() error { return goleak.Find() }))
}

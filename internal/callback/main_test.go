package callback_test

import (
	"testing"

	"sluice/internal/devstack/devtest"
)

func TestMain(m *testing.M) { devtest.Main(m) }

package validate

import (
	"os"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"

	"sluice/worker/host"
)

func readCompose(t *testing.T) *types.Project {
	t.Helper()
	raw, err := os.ReadFile("../compose.yaml")
	require.NoError(t, err)
	project, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir: "..", ConfigFiles: []types.ConfigFile{{Filename: "compose.yaml", Content: raw}}, Environment: types.Mapping{},
	})
	require.NoError(t, err)
	return project
}

func TestComposeStartsEverythingInOrder(t *testing.T) {
	t.Parallel()
	project := readCompose(t)
	require.ElementsMatch(t, []string{"postgres", "temporal", "migrate", "start", "worker"}, project.ServiceNames())
	for _, name := range []string{"migrate", "start", "worker"} {
		s := project.Services[name]
		require.Equal(t, "deploy/Dockerfile", s.Build.Dockerfile, name)
		require.Contains(t, imageFiles(t), s.Command[0], name)
		require.True(t, s.ReadOnly, name)
		require.Equal(t, []string{"ALL"}, s.CapDrop, name)
	}
	for _, name := range []string{"start", "worker"} {
		needs := project.Services[name].DependsOn
		require.Equal(t, types.ServiceConditionCompletedSuccessfully, needs["migrate"].Condition, name)
		require.Equal(t, types.ServiceConditionHealthy, needs["temporal"].Condition, name)
	}
	for _, s := range project.Services {
		for _, p := range s.Ports {
			require.Equal(t, "127.0.0.1", p.HostIP, "%s: nothing is open to others", s.Name)
		}
	}
	require.GreaterOrEqual(t, time.Duration(*project.Services["worker"].StopGracePeriod), host.DefaultShutdownTimeout+10*time.Second)
}

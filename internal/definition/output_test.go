package definition

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestOutputsOfNodesWithoutIDsAreNamed(t *testing.T) {
	t.Parallel()
	id := uuid.New()
	d, err := Parse(fmt.Appendf(nil, `{"name": "d", "nodes": [{"name": "a", "type": "noop"}, {"id": %q, "name": "b", "type": "noop"}]}`, id))
	require.NoError(t, err)
	require.Equal(t, "a", d.OutputKey(d.Nodes[0]))
	require.Equal(t, id.String(), d.OutputKey(d.Nodes[1]))
}

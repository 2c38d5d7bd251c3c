package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestATokenIsPrintedOnce(t *testing.T) {
	t.Parallel()
	c := onPostgres(t)
	require.Contains(t, c.ok("token", "list"), "no tokens")
	workspace, _ := c.workspace()
	secret := c.ok("token", "create", "shop", "--workspace", workspace, "--payloads", "--expires-in", "90d")
	require.Regexp(t, `^sluice_[A-Za-z0-9_-]{43}\n$`, secret, "nothing else: it goes into a file or a variable")
	list := c.array("token", "list")
	require.Len(t, list, 1)
	require.Equal(t, "workspace", list[0]["role"])
	require.Equal(t, workspace, list[0]["workspaceId"])
	require.Equal(t, "starter:ann", list[0]["createdBy"])
	require.NotContains(t, c.ok("token", "list", "--json")+c.ok("token", "list"), secret[7:50])

	require.Equal(t, "token shop ("+list[0]["id"].(string)+") is revoked\n", c.ok("token", "revoke", list[0]["id"].(string)))
	require.Contains(t, c.ok("token", "list"), "revoked now")
	require.Contains(t, c.object("token", "create", "ci", "--role", "operator-write"), "secret")
	for args, says := range map[[2]string]string{
		{"--role", "root"}: "role must be operator-read, operator-write or workspace",
		{"--workspace", "01990000-0000-7000-8000-000000000001"}: "unknown workspace",
		{"--role=operator-read", "--expires-in=0s"}:             "--expires-in must be positive",
		{"--role=operator-read", "--workspace=acme"}:            "none of the others can be",
	} {
		out := c.run("token", "create", "x", args[0], args[1])
		require.Equal(t, exitUsage, out.code, args)
		require.Contains(t, out.stderr, says)
	}
}

package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"sluice/admin"
)

func (a *app) tokenCommand() *cobra.Command {
	return a.group("token", "Create, list and revoke tokens of the HTTP API", a.tokenCreate(), a.tokenList(), a.tokenRevoke())
}

// createdToken is what token create prints.
type createdToken struct {
	admin.Token
	Secret string `json:"secret"`
}

func (a *app) tokenCreate() *cobra.Command {
	var role, workspace string
	var payloads bool
	var lasts daysFlag
	command := &cobra.Command{
		Use: "create NAME", Short: "Create a token of the HTTP API, and print it this once", Args: exactly("NAME"),
		Long: "Create a token of the HTTP API and print it. It is printed this once: only its hash is stored.\n\n" +
			"With --role operator-read its holder sees everything and changes nothing, with operator-write may do all that the\n" +
			"API has. With --workspace the holder sees and touches that workspace only: enqueues, lists, cancels and replays,\n" +
			"one item or many, and applies definitions. Answers have no inputs and results unless --payloads says so.\n\n" +
			"As soon as there is a token, and for ever after, the API answers nobody without one.",
		Example: "  starter token create ci --role operator-write --expires-in 90d\n  starter token create shop --workspace acme --payloads",
	}
	flags := command.Flags()
	flags.StringVar(&role, "role", "", "what its holder may do: operator-read or operator-write")
	flags.StringVar(&workspace, "workspace", "", "the only workspace that its holder sees and touches, by `id` or key")
	flags.BoolVar(&payloads, "payloads", false, "its holder sees inputs and results")
	flags.Var(&lasts, "expires-in", "how long it is good, like 90d or 12h (default: until it is revoked)")
	command.MarkFlagsOneRequired("role", "workspace")
	command.MarkFlagsMutuallyExclusive("role", "workspace")
	return a.does(command, func(ctx context.Context, args []string) error {
		n := admin.NewToken{Name: args[0], Role: role, Payloads: payloads}
		if d := lasts.duration; d != nil {
			if *d <= 0 {
				return usage("--expires-in must be positive, got %s", *d)
			}
			n.ExpiresAt = a.now().Add(*d)
		}
		office, err := a.office(ctx)
		if err != nil {
			return err
		}
		if command.Flags().Changed("workspace") {
			n.Role = admin.RoleWorkspace
			if n.WorkspaceID, err = a.workspaceOf(ctx, "--workspace", workspace); err != nil {
				return err
			}
		}
		var created createdToken
		if created.Token, created.Secret, err = office.CreateToken(ctx, n, a.config.Actor); err != nil {
			return err
		}
		return a.result(created, func(w io.Writer) {
			_, _ = fmt.Fprintln(w, created.Secret)
			a.note(fmt.Sprintf("token %s (%s), %s; keep it, it is not shown again", created.Name, created.ID, mayText(created.Token)))
		})
	})
}

// mayText says what a token is good for.
func mayText(t admin.Token) string {
	text := t.Role
	switch {
	case t.WorkspaceID != nil:
		text += " " + t.WorkspaceID.String()
	case t.Role == admin.RoleWorkspace:
		text += ", which was deleted"
	}
	if t.SeesPayloads {
		text += ", with payloads"
	}
	return text
}

func (a *app) tokenList() *cobra.Command {
	return a.does(&cobra.Command{
		Use: "list", Short: "List the tokens of the HTTP API, those that were revoked too", Args: exactly(),
	}, func(ctx context.Context, _ []string) error {
		office, err := a.office(ctx)
		if err != nil {
			return err
		}
		list, err := office.Tokens(ctx)
		if err != nil {
			return err
		}
		return a.result(append([]admin.Token{}, list...), func(w io.Writer) { renderTokens(w, list, a.now()) })
	})
}

func renderTokens(w io.Writer, list []admin.Token, now time.Time) {
	if len(list) == 0 {
		_, _ = fmt.Fprintln(w, "no tokens: the HTTP API listens on loopback only; create one with: starter token create")
		return
	}
	rows := make([][]string, len(list))
	for i, t := range list {
		ends := orElse(relative(t.ExpiresAt, now), "never")
		if t.RevokedAt != nil {
			ends = "revoked " + relative(t.RevokedAt, now)
		}
		rows[i] = []string{t.ID.String(), t.Name, mayText(t), relative(&t.CreatedAt, now), t.CreatedBy, relative(t.LastUsedAt, now), ends}
	}
	table(w, []string{"TOKEN", "NAME", "MAY", "CREATED", "BY", "LAST USED", "ENDS"}, rows)
}

func (a *app) tokenRevoke() *cobra.Command {
	return a.does(&cobra.Command{
		Use: "revoke ID", Short: "Revoke a token of the HTTP API; workers stop taking it within some seconds", Args: exactly("ID"),
	}, func(ctx context.Context, args []string) error {
		id, err := parseID("argument", args[0], "token", "starter token list")
		if err != nil {
			return err
		}
		office, err := a.office(ctx)
		if err != nil {
			return err
		}
		revoked, err := office.RevokeToken(ctx, id, a.config.Actor)
		if err != nil {
			return err
		}
		return a.result(revoked, func(w io.Writer) { _, _ = fmt.Fprintf(w, "token %s (%s) is revoked\n", revoked.Name, revoked.ID) })
	})
}

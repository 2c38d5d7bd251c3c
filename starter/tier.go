package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"sluice/admin"
)

func (a *app) tierCommand() *cobra.Command {
	return a.group("tier", "List and set what each plan may use", a.tierList(), a.tierSet())
}

func (a *app) tierList() *cobra.Command {
	return a.does(&cobra.Command{
		Use: "list", Short: "List the plans and their limits", Args: exactly(),
	}, func(ctx context.Context, _ []string) error {
		office, err := a.office(ctx)
		if err != nil {
			return err
		}
		tiers, err := office.Tiers(ctx)
		if err != nil {
			return err
		}
		return a.result(append([]admin.Tier{}, tiers...), func(w io.Writer) { renderTiers(w, tiers) })
	})
}

func renderTiers(w io.Writer, tiers []admin.Tier) {
	rows := make([][]string, len(tiers))
	for i, t := range tiers {
		rows[i] = []string{t.Plan, fmt.Sprint(t.MaxConcurrentWorkflows), fmt.Sprint(t.Weight), wholeText(t.NominalQuota),
			wholeText(t.BorrowingLimit), wholeText(t.LendingLimit), rateText(t.StartsPerSecond, t.Burst)}
	}
	table(w, []string{"PLAN", "MAX CONCURRENT", "WEIGHT", "NOMINAL", "BORROWS", "LENDS", "RATE"}, rows)
}

func (a *app) tierSet() *cobra.Command {
	var limit, weight int
	var quota quotaFlags
	command := &cobra.Command{
		Use: "set PLAN", Short: "Change a plan, or create one", Args: exactly("PLAN"),
		Long: "Change the limits of a plan while everything runs, from the next claim on. A cut drains: it ends nothing\n" +
			"that runs. A plan that does not exist is created when --max-concurrent is given. Each limit is that of each\n" +
			"workspace of the plan; starter workspace set makes exceptions.\n\n" +
			"Slots within the nominal quota go before those that others borrow. What is idle of it is lent: to the\n" +
			"workspace's cohort if it is in one, otherwise to all. What it needs again it gets as executions finish.",
		Example: "  starter tier set PRO --max-concurrent 50\n  starter tier set FREE --nominal-quota 1 --rate 30/m --burst 5",
	}
	command.Flags().IntVar(&limit, "max-concurrent", 0, "how many workflows a workspace of this plan may run at once")
	command.Flags().IntVar(&weight, "weight", 1, "its share, against other plans, when not all can be served at once")
	quota.add(command, "not bounded, or all of --max-concurrent")
	command.MarkFlagsOneRequired(append([]string{"max-concurrent", "weight"}, quotaFlagNames...)...)
	return a.does(command, func(ctx context.Context, args []string) error {
		change := admin.TierChange{
			NominalQuota: quota.nominal.change, BorrowingLimit: quota.borrowing.change, LendingLimit: quota.lending.change, StartsPerSecond: quota.rate.change, Burst: quota.burst.change,
		}
		if command.Flags().Changed("max-concurrent") {
			change.MaxConcurrentWorkflows = &limit
		}
		if command.Flags().Changed("weight") {
			change.Weight = &weight
		}
		office, err := a.office(ctx)
		if err != nil {
			return err
		}
		tier, err := office.SetTier(ctx, args[0], change, a.config.Actor)
		if err != nil {
			return err
		}
		return a.result(tier, func(w io.Writer) {
			_, _ = fmt.Fprintf(w, "plan %s: max concurrent %d, weight %d%s\n", tier.Plan, tier.MaxConcurrentWorkflows, tier.Weight,
				limitsText(tier.NominalQuota, tier.BorrowingLimit, tier.LendingLimit, tier.StartsPerSecond, tier.Burst))
		})
	})
}

// limitsText continues a line with the limits that are set.
func limitsText(nominal, borrowing, lending *int, rate *float64, burst *int) (text string) {
	for _, part := range [][2]string{{"nominal quota", wholeText(nominal)}, {"borrowing limit", wholeText(borrowing)}, {"lending limit", wholeText(lending)}, {"rate", rateText(rate, burst)}} {
		if part[1] != "" {
			text += ", " + part[0] + " " + part[1]
		}
	}
	return text
}

// Package admin is what the back office of a platform does with Sluice: it creates workspaces, sets their plans and limits,
// applies their definitions, and puts items back that have failed before they started. Items that are workflows need no more than
// their workspace.
//
//	office := admin.New(pool)
//	acme, err := office.EnsureWorkspace(ctx, "Acme Inc.", "PRO", "billing", admin.WithKey("acme"))
//	definition, err := office.ApplyDefinition(ctx, acme.ID, file, "billing")
//
// Applications enqueue with package queue. Each change is one transaction on the pool, and names an actor: a person or a
// program, which sluice.activity then shows beside the change.
//
// What a workspace may use is set for its plan ([Client.SetTier]) and, where that does not suit, for the workspace itself
// ([Client.SetWorkspace]); what all workspaces together may use, and how long ended items are kept, is set by [Client.Set].
// A change of a limit or of a definition holds from the next claim on. When it has been made, no claim that was planned before
// it succeeds. A cut drains: it ends nothing that runs.
//
// What an operator does in an incident: [Client.Pause] has nothing claimed of a workspace, a workflow type or a definition;
// [Client.SetWorkspaceFor] sets limits for a time; [Client.Select] counts the items that a filter means, and
// [Client.CancelSelected], [Client.RetrySelected], [Client.ReplaySelected] and [Client.ReprioritizeSelected] change them in
// batches that hold up no claim.
//
// A change is refused as a whole, and its error says what is wrong and what to do: test with errors.Is and one of the errors
// below. ErrBusy means that a claim was under way for so long that the change gave up: try again.
//
// The package checks what it is told and owns the words in which it answers. It must not know SQL, which is internal/store's,
// nor Temporal: what a dispatcher is told directly (its own pause), and how an execution is ended, is not here.
package admin

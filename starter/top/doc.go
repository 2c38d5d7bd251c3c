// Package top is the live view in the terminal: how everything is, all workspaces, one workspace's line and what runs of it, with pause
// and resume.
//
// It owns what is on the screen and what keys do. It must not know how figures are counted, which package series does, or how a pause
// takes hold, which package admin does. Nothing is read or changed in [Model.Update]: commands of the library do it, one of a kind at a time.
//
// Reading order: source.go (what is read and done), model.go (what happens on a message), keys.go, question.go (the confirmation),
// workspaces.go, detail.go and overview.go (the parts of the screen), view.go (how they share it), run.go (the terminal).
//
// Invariants:
//   - everything that comes from a workspace passes [page.OneLine] on its way to the screen: it is one line, and what controls a terminal is escaped;
//   - no line is wider than the window, and there are no more lines than it has;
//   - a question is about the workspace that was selected when it was asked, whatever the list does meanwhile;
//   - when the database does not answer, the last figures stay, with their age and the reason, until it does.
package top

package dashboard

import (
	"context"
	"net/http"
	"strings"

	"github.com/a-h/templ"
	"github.com/google/uuid"

	"sluice/admin"
	"sluice/internal/operate"
	"sluice/internal/store"
	"sluice/internal/store/figures"
	"sluice/internal/web/dashboard/page"
)

func (d *dashboard) pauses(ctx context.Context, r *http.Request, p page.Page) (templ.Component, error) {
	q := r.URL.Query()
	v := page.PausesView{Workspace: q.Get("workspace"), Type: q.Get("type")}
	s, err := d.watch.Glance(ctx)
	if err != nil {
		return nil, err
	}
	p.Now, v.Dispatcher = s.Now(), s.Paused()
	if id, err := uuid.Parse(v.Workspace); err == nil {
		of, _ := s.Find(id)
		v.WorkspaceName = of.Name
	}
	definition, err := optionalID(q, "definition")
	if err != nil {
		return nil, err
	}
	if definition != uuid.Nil {
		names, err := figures.Names(ctx, d.Pool, []uuid.UUID{definition})
		if err != nil {
			return nil, err
		}
		v.Definition, v.DefinitionName = definition.String(), names[definition]
	}
	v.Pauses, err = d.admin.Pauses(ctx)
	return page.Pauses(p, v), err
}

// scope is what a form names; the zero scope is all there is.
func (d *dashboard) scope(ctx context.Context, r *http.Request) (s admin.Scope, err error) {
	if s.DefinitionID, err = optionalID(r.PostForm, "definition"); err != nil {
		return s, err
	}
	s.WorkflowType = strings.TrimSpace(r.PostFormValue("type"))
	s.WorkspaceID, err = d.workspaceNamed(ctx, strings.TrimSpace(r.PostFormValue("workspace")))
	return s, err
}

// workspaceNamed finds a workspace by its id, its key or its name; none is named by nothing.
func (d *dashboard) workspaceNamed(ctx context.Context, text string) (uuid.UUID, error) {
	if text == "" {
		return uuid.Nil, nil
	}
	if id, err := uuid.Parse(text); err == nil && id != uuid.Nil { // the nil id stands for all of them
		return id, nil
	}
	s, err := d.watch.Look(ctx)
	if err != nil {
		return uuid.Nil, err
	}
	var named []uuid.UUID
	for i := range s.Workspaces {
		w := &s.Workspaces[i]
		if w.ExternalKey != nil && *w.ExternalKey == text {
			return w.ID, nil
		}
		if w.Name == text {
			named = append(named, w.ID)
		}
	}
	switch len(named) {
	case 0:
		return uuid.Nil, &store.RequestError{Kind: store.ErrUnknownWorkspace, Message: "no workspace has the id, the key or the name " + text}
	case 1:
		return named[0], nil
	}
	return uuid.Nil, store.Invalid("%d workspaces are named %s: give the id or the key of one", len(named), text)
}

func (d *dashboard) pause(ctx context.Context, r *http.Request) (string, error) {
	why, err := reason(r, "reason")
	if err != nil {
		return "", err
	}
	lasts, err := term(r)
	if err != nil {
		return "", err
	}
	scope, err := d.scope(ctx, r)
	if err != nil {
		return "", err
	}
	changed, err := d.admin.Pause(ctx, scope, lasts, actor(r), why)
	switch {
	case err != nil:
		return "", err
	case !changed:
		return "It was paused so before.", nil
	case scope == (admin.Scope{}):
		return "Dispatching is paused: nothing new starts.", nil
	}
	return "It is paused: nothing new of it starts.", nil
}

func (d *dashboard) resume(ctx context.Context, r *http.Request) (string, error) {
	why, err := reason(r, "reason")
	if err != nil {
		return "", err
	}
	scope, err := d.scope(ctx, r)
	if err != nil {
		return "", err
	}
	if scope == (admin.Scope{}) {
		switch held, err := operate.ResumeAll(ctx, d.dial, d.Pool, actor(r), why); {
		case held && err != nil:
			return "Dispatching is resumed, but whether the dispatchers themselves are paused is not known: " + err.Error(), nil
		case err != nil:
			return "", err
		case held:
			return "Dispatching is resumed.", nil
		}
		return "It was not paused.", nil
	}
	held, err := d.admin.Resume(ctx, scope, actor(r), why)
	if err != nil || held {
		return "It is resumed.", err
	}
	return "It was not paused.", nil
}

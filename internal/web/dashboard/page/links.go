package page

import (
	"net/url"

	"github.com/a-h/templ"
	"github.com/google/uuid"
)

// Address is a path with a query: pairs of names and values, of which those without a value are left out.
func Address(path string, query ...string) templ.SafeURL {
	values := url.Values{}
	for i := 0; i+1 < len(query); i += 2 {
		if query[i+1] != "" {
			values.Set(query[i], query[i+1])
		}
	}
	if len(values) == 0 {
		return templ.SafeURL(path)
	}
	return templ.SafeURL(path + "?" + values.Encode())
}

// WorkspaceAt is the address of a workspace's page.
func WorkspaceAt(id uuid.UUID) templ.SafeURL { return templ.SafeURL("/workspaces/" + id.String()) }

// WhatIfAt is the address of what a workspace would have waited with other limits.
func WhatIfAt(id uuid.UUID) templ.SafeURL { return WorkspaceAt(id) + "/what-if" }

// ItemAt is the address of an item's page.
func ItemAt(id uuid.UUID) templ.SafeURL { return templ.SafeURL("/items/" + id.String()) }

// ItemsAt is the address of a list of items.
func ItemsAt(query ...string) templ.SafeURL { return Address("/items", query...) }

func orNone(id uuid.UUID) string {
	if id == uuid.Nil {
		return ""
	}
	return id.String()
}

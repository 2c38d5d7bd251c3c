package outbound

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"

	"sluice/internal/definition"
)

// secretVariable begins the names of the environment variables that hold secrets.
const secretVariable = "SLUICE_SECRET_"

// Secrets finds the values of secrets, anew for each call: one that is replaced is followed. A workspace's own is a file,
// Dir/<workspace id>/NAME, and goes wherever the workspace sends it. The operator's, for all workspaces, is the environment
// variable SLUICE_SECRET_NAME, and goes to the hosts that SLUICE_SECRET_NAME_HOSTS lists, separated by commas: otherwise each
// workspace could read it by having it sent to a server of its own.
type Secrets struct {
	Dir    string                      // empty: there are none of workspaces
	Lookup func(string) (string, bool) // os.LookupEnv if nil
}

// Secret is a value that must not be shown.
type Secret struct {
	name, value string
}

// Value is what is sent.
func (s Secret) Value() string { return s.value }

// Find returns the secret of a name for a call of a workspace. Refused says that there is none for it.
func (s Secrets) Find(workspace uuid.UUID, name string, to *url.URL) (Secret, error) {
	if !definition.IsSecretName(name) { // it becomes a part of a path
		return Secret{}, &Refused{fmt.Sprintf("%q is no name of a secret", name)}
	}
	value, err := s.own(workspace, name)
	if errors.Is(err, fs.ErrNotExist) {
		value, err = s.shared(name, to)
	}
	if err != nil {
		return Secret{}, err
	}
	value = strings.TrimSuffix(strings.TrimSuffix(value, "\n"), "\r")
	if value == "" || len(value) > definition.MaxHeaderValue || !definition.IsHeaderValue(value) {
		return Secret{}, &Refused{fmt.Sprintf("secret %s is empty, longer than %d bytes, or holds control characters", name, definition.MaxHeaderValue)}
	}
	return Secret{name, value}, nil
}

// own reads the file of a workspace's secret. Errors do not name its path.
func (s Secrets) own(workspace uuid.UUID, name string) (string, error) {
	if s.Dir == "" {
		return "", fs.ErrNotExist
	}
	path := filepath.Join(s.Dir, workspace.String(), name)
	switch info, err := os.Stat(path); {
	case err != nil:
		return "", secretError(name, err)
	case !info.Mode().IsRegular(): // opening a pipe would hang
		return "", &Refused{"secret " + name + " is no file"}
	}
	file, err := os.Open(path)
	if err != nil {
		return "", secretError(name, err)
	}
	defer func() { _ = file.Close() }()
	raw, err := io.ReadAll(io.LimitReader(file, definition.MaxHeaderValue+3)) // and a line feed, and one more to tell
	if err != nil {
		return "", secretError(name, err)
	}
	return string(raw), nil
}

func secretError(name string, err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return fmt.Errorf("read secret %s: %w", name, err)
}

func (s Secrets) shared(name string, to *url.URL) (string, error) {
	lookup := s.Lookup
	if lookup == nil {
		lookup = os.LookupEnv
	}
	value, ok := lookup(secretVariable + name)
	if !ok {
		return "", &Refused{"the worker has no secret " + name + " for this workspace"}
	}
	list, _ := lookup(secretVariable + name + "_HOSTS")
	hosts, err := CanonicalHosts(strings.Split(list, ","))
	switch {
	case list == "" || err != nil:
		return "", &Refused{"secret " + name + " is for no host: an operator lists them in " + secretVariable + name + "_HOSTS"}
	case !allows(hosts, to):
		return "", &Refused{"secret " + name + " may not be sent to host " + to.Hostname()}
	}
	return value, nil
}

// Scrub takes secrets out of a text that may show them, also as they look in JSON and in a URL, and without the word, such as
// Bearer, before them.
func Scrub(text string, secrets []Secret) string {
	for _, s := range secrets {
		shown := "[secret " + s.name + "]"
		values := []string{s.value}
		if at := strings.LastIndexByte(s.value, ' '); at >= 0 && len(s.value)-at > 8 {
			values = append(values, s.value[at+1:])
		}
		for _, value := range values {
			quoted, err := json.Marshal(value)
			if err == nil {
				text = strings.ReplaceAll(text, string(quoted[1:len(quoted)-1]), shown)
			}
			for _, form := range []string{value, url.QueryEscape(value), url.PathEscape(value)} {
				text = strings.ReplaceAll(text, form, shown)
			}
		}
	}
	return text
}

package outbound

import (
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// MaxHosts is how many hosts a list may have.
const MaxHosts = 100

// maxHostBytes is what a name may have in the DNS.
const maxHostBytes = 253

// hostName is a name in small letters. Some names that are in use have an underscore.
var hostName = regexp.MustCompile(`^[a-z0-9_-]+(\.[a-z0-9_-]+)*$`)

// CanonicalHosts returns a list of hosts as it is compared. An entry is a name, *. and a name, which means all that are below
// it, or an IP address; each may end with :PORT, and without it stands for every port.
func CanonicalHosts(list []string) ([]string, error) {
	if len(list) == 0 || len(list) > MaxHosts {
		return nil, fmt.Errorf("a list of hosts has 1 to %d entries, not %d", MaxHosts, len(list))
	}
	canonical := make([]string, len(list))
	for i, entry := range list {
		var err error
		if canonical[i], err = canonicalEntry(strings.TrimSpace(entry)); err != nil {
			return nil, err
		}
	}
	return canonical, nil
}

func canonicalEntry(entry string) (string, error) {
	refuse := func(why string) (string, error) {
		return "", fmt.Errorf("host %q %s: give a name like api.example.com, *.example.com, or an IP address, with :PORT or without", entry, why)
	}
	rest, wildcard := strings.CutPrefix(entry, "*.")
	host, port, err := splitPort(rest)
	if err != nil {
		return refuse(err.Error())
	}
	name, err := canonicalName(host)
	switch {
	case err != nil:
		return refuse("is no name of a host")
	case !isAddress(name) && (len(name) > maxHostBytes || !hostName.MatchString(name)):
		return refuse("is no name of a host")
	case wildcard && isAddress(name):
		return refuse("is an address, below which there is nothing")
	case wildcard && !strings.Contains(name, "."):
		return refuse("is too wide")
	case looksLikeAddress(name) && !isAddress(name):
		return refuse("is an address in a form that is not understood")
	}
	if strings.Contains(name, ":") {
		name = "[" + name + "]"
	}
	if wildcard {
		name = "*." + name
	}
	return name + port, nil
}

// splitPort takes the port, with its colon, off a host; the brackets of an IPv6 address go too.
func splitPort(text string) (host, port string, err error) {
	if _, err := netip.ParseAddr(text); err == nil {
		return text, "", nil // an IPv6 address without brackets has colons of its own
	}
	if inside, ok := strings.CutPrefix(text, "["); ok {
		host, port, ok = strings.Cut(inside, "]")
		if address, err := netip.ParseAddr(host); !ok || err != nil || !address.Is6() {
			return "", "", fmt.Errorf("has brackets without an IPv6 address")
		}
	} else if at := strings.IndexByte(text, ':'); at >= 0 {
		host, port = text[:at], text[at:]
	} else {
		host = text
	}
	if port == "" {
		return host, "", nil
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(port, ":"), 10, 16)
	if err != nil || n == 0 || port[0] != ':' {
		return "", "", fmt.Errorf("has no port of 1 to 65535")
	}
	return host, ":" + strconv.FormatUint(n, 10), nil
}

// canonicalName is a name as it is looked up, or the usual form of an IP address: two names that mean the same host are equal.
func canonicalName(name string) (string, error) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if address, err := netip.ParseAddr(name); err == nil {
		return address.Unmap().WithZone("").String(), nil
	}
	for _, r := range name {
		if r >= 0x80 { // as package net/http does it
			ascii, err := idna.Lookup.ToASCII(name)
			return strings.TrimSuffix(ascii, "."), err
		}
	}
	return name, nil
}

func isAddress(name string) bool {
	_, err := netip.ParseAddr(name)
	return err == nil
}

// looksLikeAddress tells names whose last label is a number: some resolvers take 127.1, 0x7f.0.0.1 and 2130706433 for addresses,
// and no name in the DNS ends so.
func looksLikeAddress(name string) bool {
	last := name[strings.LastIndexByte(name, '.')+1:]
	_, err := strconv.ParseUint(last, 0, 64)
	return err == nil || last != "" && strings.Trim(last, "0123456789") == ""
}

// allows tells whether a list of canonical hosts has that of a URL.
func allows(hosts []string, u *url.URL) bool {
	name, err := canonicalName(u.Hostname())
	if err != nil || name == "" {
		return false
	}
	port := ":" + portOf(u)
	for _, entry := range hosts {
		rest, wildcard := strings.CutPrefix(entry, "*.")
		host, only, err := splitPort(rest)
		switch {
		case err != nil, only != "" && only != port:
		case wildcard && strings.HasSuffix(name, "."+host), !wildcard && name == host:
			return true
		}
	}
	return false
}

func portOf(u *url.URL) string {
	switch port := u.Port(); {
	case port != "":
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return port
		}
		return strconv.FormatUint(n, 10)
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

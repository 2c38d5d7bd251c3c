package bounds_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"sluice/internal/bounds"
)

func TestNamesThatCannotBeSeenOrDoHarmAreRefused(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"acme", "a", "Müller & Söhne", "山田　太郎", "smile ☺️", strings.Repeat("ä", bounds.MaxName), "two  blanks", "100%", `"quoted"`} {
		require.NoError(t, bounds.Name(good), "%q", good)
	}
	for bad, why := range map[string]string{
		"":                                    "empty",
		"   ":                                 "blank",
		"\u00a0\u3000":                        "blank",
		" a":                                  "begin or end",
		"a\u00a0":                             "begin or end",
		strings.Repeat("ä", bounds.MaxName+1): "at most 200 characters, not 201",
		"x\x1b[31mred":                        "U+001B",
		"two\nlines":                          "U+000A",
		"\u202egnp":                           "U+202E",
		"zero\u200bwidth":                     "U+200B",
		"\ufeffbom":                           "U+FEFF",
		"\u3164":                              "U+3164",
		"tag\U000e0041":                       "U+E0041",
		"half\xed\xa0\x80":                    "UTF-8",
		"\xff":                                "UTF-8",
		"a\x00b":                              "zero",
	} {
		require.ErrorContains(t, bounds.Name(bad), why, "%q", bad)
	}
	require.NoError(t, bounds.Words(""))
	require.NoError(t, bounds.Reason("several\nlines\tand “more” ☺️", bounds.MaxReason))
	for _, bad := range []string{"\x1b[2J", "\u202egnp", "a\rb", "\u009b", "\xff", strings.Repeat("ä", bounds.MaxReason+1)} {
		require.Error(t, bounds.Reason(bad, bounds.MaxReason), "%q", bad)
	}
	require.NoError(t, bounds.Text("\x1b[2J\u202e", bounds.MaxReason), "what is looked for may be anywhere")
	require.ErrorContains(t, bounds.Key(""), "empty")
	require.NoError(t, bounds.Key("\u202e\n"), "keys are for programs")
	require.ErrorContains(t, bounds.Key(strings.Repeat("ä", 257)), "at most 512 bytes, not 514")
	require.NotContains(t, bounds.Name("\x1b[2Jx").Error(), "\x1b", "an error is shown, too")
}

func TestJSONIsMeasuredAsPostgresPrintsIt(t *testing.T) {
	t.Parallel()
	for raw, printed := range map[string]string{
		`{}`:                            `{}`,
		`{"a":1,"b":[1,2]}`:             `{"a": 1, "b": [1, 2]}`,
		`{ "a" : 1e9 }`:                 `{"a": 1000000000}`,
		`{"a":-1.5e3}`:                  `{"a": -1500}`,
		`{"a":1.25e-3}`:                 `{"a": 0.00125}`,
		`{"a":1e-5}`:                    `{"a": 0.00001}`,
		`{"a":0.0010e2}`:                `{"a": 0.10}`,
		`{"a":123.456e2}`:               `{"a": 12345.6}`,
		`{"a":-0.0}`:                    `{"a": 0.0}`,
		`{"a":0e5}`:                     `{"a": 0}`,
		`{"a":"\u00e4\u0001\n\/\"\\é"}`: `{"a": "ä\u0001\n/\"\\é"}`,
		`{"a":"\ud83d\ude00"}`:          `{"a": "😀"}`,
		`{"a":"\u0022\u005c\u0009"}`:    `{"a": "\"\\\t"}`,
		`{"a":"1e9,:[{"}`:               `{"a": "1e9,:[{"}`,
	} {
		size, err := bounds.Size([]byte(raw))
		require.NoError(t, err, raw)
		require.Equal(t, len(printed), size, "%s is printed %s", raw, printed)
	}
	size, err := bounds.Size([]byte(`{"a":1e131071}`))
	require.NoError(t, err)
	require.Equal(t, len(`{"a": }`)+131072, size)
	_, err = bounds.Object([]byte(`{"a":[`+strings.Repeat("1e131071,", 40)+`1]}`), bounds.MaxInput)
	require.ErrorContains(t, err, "has 52429")
}

func TestJSONThatPostgresCannotHoldIsRefused(t *testing.T) {
	t.Parallel()
	for raw, why := range map[string]string{
		``:                          "not valid JSON",
		`{"a":`:                     "not valid JSON",
		`{"a":1e131072}`:            "more than 131072 digits",
		`{"a":1e-16384}`:            "16383 behind it",
		`{"a":1e99999999999999999}`: "exponent",
		`{"a":"\u0000"}`:            `\u0000`,
		`{"a":"\ud83d"}`:            "surrogate",
		`{"a":"\ude00"}`:            "surrogate",
		`{"a":"\ud83d\ud83d"}`:      "surrogate",
		"{\"a\":\"\xff\"}":          "UTF-8",
		`[1]`:                       "must be a JSON object",
		`null`:                      "must be a JSON object",
		`{"a":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`: "deeper than 500",
		`{"a":` + strings.Repeat("[", 500) + strings.Repeat("]", 500) + `}`:         "deeper than 500",
		strings.Repeat("[", 100_000): "deeper than 500",
	} {
		_, err := bounds.Object([]byte(raw), bounds.MaxInput)
		require.ErrorContains(t, err, why, "%.60q", raw)
	}
	_, err := bounds.Object([]byte(`{"a":`+strings.Repeat("[", 499)+strings.Repeat("]", 499)+`}`), bounds.MaxInput)
	require.NoError(t, err)
	_, err = bounds.Object([]byte(`{"a":"\\u0000"}`), bounds.MaxInput)
	require.NoError(t, err, "an escaped backslash before u0000")
}

// What a program reads stays the same, and nothing in it acts on a terminal.
func TestJSONThatATerminalShowsHasTheSameValues(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"acme\n", "\x7f", "\u009b2J", "\u202egnp", "\U000e0041", "山田 ☺️"} {
		raw, err := json.Marshal(map[string]string{"a": text})
		require.NoError(t, err)
		shown := bounds.ShownJSON(string(raw) + "\n")
		require.Equal(t, bounds.Shown(strings.TrimSuffix(shown, "\n"))+"\n", shown, "%q", text)
		var read map[string]string
		require.NoError(t, json.Unmarshal([]byte(shown), &read), "%q", text)
		require.Equal(t, text, read["a"])
	}
}

func FuzzSize(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":1e9}`, `[1.5E-3,"\ud83d\ude00"]`, `"`, `{"a":"\u00"}`, `-`, `1e`, `[[[[`, "\"\xed\xa0\x80\""} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		size, err := bounds.Size(raw)
		if err == nil && size < 1 {
			t.Fatalf("%q has %d bytes", raw, size)
		}
	})
}

func FuzzName(f *testing.F) {
	for _, seed := range []string{"acme", " ", "\u202e", "\x1b[2J", "\xff", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if err := bounds.Name(name); err != nil {
			if strings.ContainsAny(err.Error(), "\x1b\u202e\n\x00") {
				t.Fatalf("the error of %q is not fit for a terminal", name)
			}
			return
		}
		if strings.TrimSpace(name) == "" || len(name) > 4*bounds.MaxName {
			t.Fatalf("%q is no name", name)
		}
	})
}

package bounds

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// How long texts may be.
const (
	// MaxName is the most characters of a name, an actor or a trigger type. They become search attributes, of which Temporal takes
	// 2,048 bytes, or 255 characters where visibility is in an SQL database.
	MaxName = 200
	// MaxReason is the most characters of a reason that somebody gives.
	MaxReason = 1000
	// MaxKey is the most bytes of a unique key.
	MaxKey = 512
)

// Hidden are the characters that names must not contain, as a regular expression of Go: those that control a terminal, turn
// the direction of writing, break lines, or cannot be seen. (Variation selectors may stay: many symbols are written with one.)
const Hidden = `[\x{0000}-\x{001f}\x{007f}-\x{009f}\x{00ad}\x{034f}\x{061c}\x{115f}-\x{1160}\x{17b4}-\x{17b5}\x{180b}-\x{180f}` +
	`\x{200b}-\x{200f}\x{2028}-\x{202e}\x{2060}-\x{206f}\x{2800}\x{3164}\x{feff}\x{ffa0}\x{fff0}-\x{fffb}` +
	`\x{110bd}\x{110cd}\x{13430}-\x{1343f}\x{1bca0}-\x{1bca3}\x{1d173}-\x{1d17a}\x{e0000}-\x{e0fff}]`

var hidden = regexp.MustCompile(Hidden)

// Name checks what people and Temporal know something by: 1 to MaxName characters that can be seen, without blanks around them.
func Name(name string) error {
	switch err := Words(name); {
	case strings.TrimSpace(name) == "":
		return errors.New("must not be empty or blank")
	case err != nil:
		return err
	case strings.TrimSpace(name) != name:
		return fmt.Errorf("must not begin or end with a blank: %s", quoted(name))
	}
	return nil
}

// Words checks a text that may be empty, such as who does something: at most MaxName characters that can be seen.
func Words(text string) error { return Visible(text, MaxName) }

// Visible checks a text of one line, of at most so many characters that can be seen.
func Visible(text string, most int) error {
	if err := Text(text, most); err != nil {
		return err
	}
	if bad := hidden.FindString(text); bad != "" {
		return fmt.Errorf("must not contain %U, which cannot be seen or controls a terminal: %s", []rune(bad)[0], quoted(text))
	}
	return nil
}

// Reason checks a text in somebody's words, of at most so many characters that can be seen. It may have several lines and tabulators.
func Reason(text string, most int) error {
	return Visible(strings.NewReplacer("\n", " ", "\t", " ").Replace(text), most)
}

// Text checks what something is looked up by, of at most so many characters, whatever they are.
func Text(text string, most int) error {
	switch n := utf8.RuneCountInString(text); {
	case !utf8.ValidString(text):
		return fmt.Errorf("must be UTF-8: %s", quoted(text))
	case n > most:
		return fmt.Errorf("must have at most %d characters, not %d", most, n)
	case strings.ContainsRune(text, 0):
		return errors.New("must not contain the character zero, which the database cannot store")
	}
	return nil
}

// Key checks a unique key: 1 to MaxKey bytes.
func Key(key string) error {
	switch {
	case key == "":
		return errors.New("must not be empty")
	case len(key) > MaxKey:
		return fmt.Errorf("must have at most %d bytes, not %d", MaxKey, len(key))
	}
	return Text(key, MaxKey)
}

// quoted shows the beginning of a text, with what cannot be seen escaped.
func quoted(text string) string {
	const most = 40
	if runes := []rune(text); len(runes) > most {
		return fmt.Sprintf("%+q…", string(runes[:most]))
	}
	return fmt.Sprintf("%+q", text)
}

// Shown is a text as it may go to a terminal: what names must not contain is escaped as Go does it.
func Shown(text string) string {
	return hidden.ReplaceAllStringFunc(strings.ToValidUTF8(text, "\ufffd"), func(c string) string {
		return strings.Trim(strconv.QuoteToASCII(c), `"`)
	})
}

// ShownJSON is a JSON text as it may go to a terminal: what Shown escapes is escaped as JSON does it, so whoever parses it reads the same
// values. encoding/json leaves DEL, the C1 controls and the marks that turn the direction of writing as they are.
func ShownJSON(text string) string {
	return hidden.ReplaceAllStringFunc(text, func(c string) string {
		if c == "\n" {
			return c // between the values; within them it is escaped already
		}
		var escaped strings.Builder
		for _, unit := range utf16.Encode([]rune(c)) {
			fmt.Fprintf(&escaped, `\u%04x`, unit)
		}
		return escaped.String()
	})
}

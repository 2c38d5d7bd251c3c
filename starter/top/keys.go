package top

import (
	"charm.land/bubbles/v2/key"
)

// keys are what the user can press where no text is asked for.
var keys = struct {
	up, down, pageUp, pageDown, first, last, open, back, sort, reverse, filter, pause, resume, pauseAll, resumeAll, help, quit key.Binding
}{
	up:        bind("↑/k", "up", "up", "k"),
	down:      bind("↓/j", "down", "down", "j"),
	pageUp:    bind("pgup", "page up", "pgup", "ctrl+b"),
	pageDown:  bind("pgdn", "page down", "pgdown", "ctrl+f", "space"),
	first:     bind("g", "first", "home", "g"),
	last:      bind("G", "last", "end", "G"),
	open:      bind("enter", "open", "enter", "right", "l"),
	back:      bind("esc", "back", "esc", "left", "h", "backspace"),
	sort:      bind("s", "sort", "s"),
	reverse:   bind("S", "reverse", "S"),
	filter:    bind("/", "filter", "/"),
	pause:     bind("p", "pause", "p"),
	resume:    bind("r", "resume", "r"),
	pauseAll:  bind("P", "pause all", "P"),
	resumeAll: bind("R", "resume all", "R"),
	help:      bind("?", "help", "?"),
	quit:      bind("q", "quit", "q", "ctrl+c"),
}

func bind(shown, does string, pressed ...string) key.Binding {
	return key.NewBinding(key.WithKeys(pressed...), key.WithHelp(shown, does))
}

// shortHelp is the last line of the screen, fullHelp what ? opens.
type shortHelp struct{}

func (shortHelp) ShortHelp() []key.Binding {
	return []key.Binding{keys.help, keys.quit, keys.pause, keys.resume, keys.open, keys.back, keys.sort, keys.filter, keys.pauseAll, keys.resumeAll}
}

func (shortHelp) FullHelp() [][]key.Binding {
	return [][]key.Binding{
		{keys.up, keys.down, keys.pageUp, keys.pageDown, keys.first, keys.last},
		{keys.open, keys.back, keys.sort, keys.reverse, keys.filter},
		{keys.pause, keys.resume, keys.pauseAll, keys.resumeAll, keys.help, keys.quit},
	}
}

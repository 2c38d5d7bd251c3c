// Package keep keeps estimates of when pending items will start: it reads what these are made from, has package estimate make them, and stores
// the curves from which the view sluice.estimated_starts, the API, the dashboard and the command line read them.
//
// It owns how often that is done. While a page is open that shows estimates, they are made anew once they are ten seconds old; for a
// command that asks once, when they are one second old. While nobody looks, a worker makes them each minute, for those who read the view.
// Once made, they are left alone for twenty times as long as it took to make them, so they cost at most a twentieth of one core; and for a
// hundred times as long while nobody looks. Of several processes one makes them at a time.
//
// It must not know how the figures are shown.
package keep

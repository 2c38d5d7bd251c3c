// Package forged makes the calls to an endpoint of completion callbacks that do not come from the server: those of a stranger, and those
// of somebody who may read the namespace, where the headers of a callback stand in the first event of its workflow. With each call
// goes what it must be answered with.
//
// It writes them to the connection itself: a client of HTTP would refuse to send some of them, and would lose the answer to one that is
// refused before it has been sent.
//
// It must not know whose endpoint it is, nor what may come of a call: that is for the run to watch.
package forged

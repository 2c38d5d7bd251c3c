// Package validate checks the files of deploy/ as far as that goes without Docker and Kubernetes: each is read strictly by the library of the
// tool that it is for, what they say of one another agrees, and the binaries, built as the Dockerfile builds them, do their work as the user
// and with the files that the image has.
//
// It is a module of its own, because those libraries have no place among the dependencies of Sluice.
package validate

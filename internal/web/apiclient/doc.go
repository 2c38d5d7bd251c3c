// Package apiclient has a client that a generator makes from the document of the HTTP API, and the tests that use it. Only tests: the client
// is no part of what Sluice publishes, it shows that one can be made.
//
// openapi.json is the document as the API serves it, indented. client_gen_test.go is made from it by oapi-codegen, as oapi-codegen.yaml says.
// After a change of a route: go generate ./internal/web/apiclient
package apiclient

//go:generate go test -run TestTheDocumentIsTheOneServed -update .
//go:generate go run github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2 -config oapi-codegen.yaml -o client_gen_test.go openapi.json

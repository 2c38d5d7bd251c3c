package request

import (
	"fmt"

	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

const (
	// MaxFields is how many fields a request may have, those of the messages in it included. A field may have two bytes, and takes 200 where the
	// request is read and each time it is copied: a request of 2 MiB could take half a gigabyte of the process that starts it.
	MaxFields = 10_000
	// fieldsPerValue is what an argument, or a value of a memo, comes to: itself, its encoding with that's name and value, and its bytes.
	fieldsPerValue = 5
)

var errTooManyFields = fmt.Errorf("the request has more than %d fields: pass few arguments, and many values as one", MaxFields)

// checkFields counts the fields of a request before it is read.
func checkFields(raw []byte) error {
	left := MaxFields
	return countFields(raw, (*workflowservice.StartWorkflowExecutionRequest)(nil).ProtoReflect().Descriptor(), &left)
}

// countFields takes the fields of a message from what is left.
func countFields(raw []byte, message protoreflect.MessageDescriptor, left *int) error {
	for len(raw) > 0 {
		if *left--; *left < 0 {
			return errTooManyFields
		}
		number, kind, n := protowire.ConsumeTag(raw)
		if n < 0 {
			return protowire.ParseError(n)
		}
		raw = raw[n:]
		if n = protowire.ConsumeFieldValue(number, kind, raw); n < 0 {
			return protowire.ParseError(n)
		}
		if field := message.Fields().ByNumber(number); kind == protowire.BytesType && field != nil && field.Message() != nil {
			inside, _ := protowire.ConsumeBytes(raw)
			if err := countFields(inside, field.Message(), left); err != nil {
				return err
			}
		}
		raw = raw[n:]
	}
	return nil
}

// Marshal encodes a request as it is stored.
func Marshal(r *workflowservice.StartWorkflowExecutionRequest) ([]byte, error) {
	raw, err := proto.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode the request: %w", err)
	}
	return raw, checkFields(raw)
}

// checkValues does for what has not become a request yet what checkFields does for one.
func (in Input) checkValues() error {
	if n := len(in.Args) + len(in.Options.Memo) + len(in.Options.SearchAttributes); n*fieldsPerValue > MaxFields {
		return fmt.Errorf("there are %d arguments, values of the memo and search attributes, at most %d are allowed: pass many values as one argument", n, MaxFields/fieldsPerValue)
	}
	return nil
}

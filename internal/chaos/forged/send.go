package forged

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
)

// Send makes a call at an address and returns the status of the answer. An error says that there was none.
func (c Call) Send(ctx context.Context, address string) (status int, err error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	sent := make(chan struct{})
	go func() { // it may be answered before it has been sent, and then it never is
		defer close(sent)
		_ = c.write(conn, address)
	}()
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	_ = conn.Close()
	<-sent
	if err != nil {
		return 0, fmt.Errorf("%s has no answer: %w", c.Name, err)
	}
	_ = answer.Body.Close()
	return answer.StatusCode, nil
}

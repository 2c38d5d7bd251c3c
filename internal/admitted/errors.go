package admitted

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
	"go.temporal.io/api/serviceerror"
	"google.golang.org/grpc/status"

	"sluice/queue"
)

// asStatus makes a gRPC status of an error. Clients repeat a call that is Unavailable, and no call that is InvalidArgument, NotFound
// or FailedPrecondition.
func asStatus(err error) error {
	if _, is := status.FromError(err); is {
		return err
	}
	if s, is := err.(serviceerror.ServiceError); is { //nolint:errorlint // a wrapped one has lost its details
		return s.Status().Err()
	}
	return serviceerror.ToStatus(ofQueue(err)).Err()
}

func ofQueue(err error) error {
	var pg *pgconn.PgError
	switch {
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return context.DeadlineExceeded
	case errors.Is(err, queue.ErrInvalid), errors.Is(err, queue.ErrUnknownWorkspace):
		return serviceerror.NewInvalidArgument("sluice: " + err.Error())
	case errors.Is(err, queue.ErrUnknownItem):
		return serviceerror.NewNotFound("sluice: " + err.Error())
	case errors.As(err, &pg) && !passing(pg):
		return serviceerror.NewFailedPrecondition("sluice: the database refuses: " + pg.Message)
	}
	return serviceerror.NewUnavailable("sluice: the queue's database does not answer: " + err.Error())
}

// passing tells an error of the database that another try may not meet: it is shutting down, has too many connections, no memory,
// or was asked by two at once.
func passing(pg *pgconn.PgError) bool {
	switch pg.Code[:2] {
	case "08", "40", "53", "55", "57", "58":
		return true
	}
	return pg.Code == "25006" // a standby, just after a failover
}

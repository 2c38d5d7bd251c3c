package host

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sluice/internal/pairing"
	"sluice/internal/store/catalog"
)

// pairEvery is how often an unpaired host looks whether starter start has been run.
const pairEvery = 250 * time.Millisecond

// awaitPair returns the client's namespace when the database belongs to it; nothing if ctx has ended before. Until then nothing may be
// polled: the tasks could be those of another database's dispatcher.
func (h *Host) awaitPair(ctx context.Context) (namespace string, err error) {
	tick := time.NewTicker(pairEvery)
	defer tick.Stop()
	for said := ""; ; {
		var i catalog.Installation
		err := pairing.Check(ctx, h.cfg.Client, h.cfg.Pool)
		if err == nil {
			i, err = catalog.ReadInstallation(ctx, h.cfg.Pool)
		}
		unpaired := errors.Is(err, pairing.ErrUnpaired)
		h.unpaired.Store(unpaired)
		switch {
		case err == nil:
			return i.Namespace, nil
		case ctx.Err() != nil:
			return "", nil
		case errors.Is(err, pairing.ErrOtherDatabase), errors.Is(err, pairing.ErrOtherNamespace), permanent(err):
			return "", fmt.Errorf("start the workers: %w", err)
		case unpaired && said == "":
			h.log.Info("waiting for: starter start")
		case !unpaired && said != err.Error():
			h.log.Warn("cannot tell yet whether the namespace belongs to the database", "error", err)
		}
		said = err.Error()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return "", nil
		}
	}
}

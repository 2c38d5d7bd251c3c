package queue_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"sluice/queue"
)

// Where an item has ended is looked for from the time in its id on. A client whose clock is hours ahead would make items that nobody finds
// once they have ended, so it leaves their ids to the database.
func TestAClientWhoseClockIsAheadMakesNoIDs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const databases = "-decafdecafde"
	b.exec(t, `CREATE OR REPLACE FUNCTION sluice.uuid_v7() RETURNS uuid LANGUAGE sql AS $$ SELECT (left(gen_random_uuid()::text, 23) || '`+databases+`')::uuid $$`)
	require.False(t, strings.HasSuffix(b.enqueue(t, b.item()).String(), databases), "a client with a right clock makes them itself")
	// It is the database that is behind here, by three hours.
	b.exec(t, `CREATE OR REPLACE FUNCTION sluice.made_at(id uuid) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$
		SELECT CASE WHEN substr(id::text, 15, 1) = '7' AND id::text NOT LIKE '%`+databases+`'
			THEN to_timestamp(('x' || lpad(replace(left(id::text, 13), '-', ''), 16, '0'))::bit(64)::bigint / 1000.0) + interval '2 hours' ELSE '-infinity' END $$`)
	b.exec(t, `TRUNCATE sluice.pending`)
	made := map[string]func(q *queue.Client) ([]queue.Answer, error){
		"one": func(q *queue.Client) ([]queue.Answer, error) {
			answer, err := q.Enqueue(t.Context(), b.item())
			return []queue.Answer{answer}, err
		},
		"many": func(q *queue.Client) ([]queue.Answer, error) {
			return q.EnqueueMany(t.Context(), []queue.Item{b.item(), b.item()})
		},
		"many in a transaction": func(q *queue.Client) ([]queue.Answer, error) {
			tx := b.begin(t)
			answers, err := q.EnqueueManyTx(t.Context(), tx, []queue.Item{b.item(), b.item()})
			require.NoError(t, tx.Commit(t.Context()))
			return answers, err
		},
		"together": func(q *queue.Client) ([]queue.Answer, error) {
			answers := make([]queue.Answer, 40)
			var group errgroup.Group
			for i := range answers {
				group.Go(func() (err error) { answers[i], err = q.Enqueue(t.Context(), b.item()); return err })
			}
			return answers, group.Wait()
		},
	}
	n := 0
	for name, enqueue := range made {
		q := queue.New(b.pool) // it has to find out anew
		for range 2 {
			answers, err := enqueue(q)
			require.NoError(t, err, name)
			for _, answer := range answers {
				require.True(t, answer.New(), name)
				require.NotEqual(t, uuid.Nil, answer.QueueID)
				require.True(t, strings.HasSuffix(answer.QueueID.String(), databases), "%s: %s", name, answer.QueueID)
			}
			n += len(answers)
		}
	}
	require.Equal(t, n, b.count(t, "pending"))
}

// The other way in: an order and its workflow in one transaction of the application's database. No Temporal client is needed.
import { Client } from 'pg';
import { taskQueue } from './order';

async function run(): Promise<void> {
  const db = new Client({ connectionString: process.env.DATABASE_URL });
  await db.connect();
  await db.query('CREATE TABLE IF NOT EXISTS orders (number integer GENERATED ALWAYS AS IDENTITY, customer text)');
  const items: string[] = [];
  for (let i = 0; i < 6; i++) {
    items.push(await order(db, 'acme'));
  }
  for (const item of items) {
    console.log(await result(db, item));
  }
  await db.end();
}

// Writes an order, and enqueues its workflow: it will start if and only if the transaction commits.
async function order(db: Client, customer: string): Promise<string> {
  await db.query('BEGIN');
  try {
    const { number } = (await db.query('INSERT INTO orders (customer) VALUES ($1) RETURNING number', [customer])).rows[0];
    const { answer } = (
      await db.query(
        `SELECT sluice.enqueue_workflow(workspace_id => sluice.workspace($1), workflow_type => 'sendInvoice', task_queue => $2,
           args => $3, workflow_id => $4) AS answer`,
        [customer, taskQueue, JSON.stringify([{ number, customer }]), `order-${number}`],
      )
    ).rows[0];
    await db.query('COMMIT');
    return answer.queueId;
  } catch (err) {
    await db.query('ROLLBACK');
    throw err;
  }
}

// Waits for an item's end.
async function result(db: Client, item: string): Promise<unknown> {
  for (;;) {
    const { rows } = await db.query(
      `SELECT i.status, i.error, e.status AS execution_status, e.output, e.error AS execution_error
       FROM sluice.queue_items i LEFT JOIN sluice.executions e ON e.id = i.id WHERE i.id = $1`,
      [item],
    );
    const state = rows[0];
    if (state.execution_status === 'COMPLETED') {
      return state.output;
    }
    if (['FAILED', 'CANCELLED', 'EXPIRED'].includes(state.status)) {
      throw new Error(`item ${item} ended without an execution: ${state.error}`);
    }
    if (state.execution_status && state.execution_status !== 'RUNNING') {
      throw new Error(`item ${item} is ${state.execution_status}: ${JSON.stringify(state.execution_error)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

run().catch((err) => {
  console.error(err);
  process.exit(1);
});

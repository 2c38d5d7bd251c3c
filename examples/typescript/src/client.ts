// A client that knows nothing of Sluice: it is admitted because TEMPORAL_ADDRESS is that of a gateway. The fairness key is the customer,
// as Temporal's fairness wants it.
import { Client, Connection } from '@temporalio/client';
import { taskQueue } from './order';
import { sendInvoice } from './workflows';

async function run(): Promise<void> {
  const connection = await Connection.connect({ address: process.env.TEMPORAL_ADDRESS });
  const client = new Client({ connection, namespace: process.env.TEMPORAL_NAMESPACE });
  const handles = [];
  for (let number = 1; number <= 6; number++) {
    handles.push(
      await client.workflow.start(sendInvoice, {
        taskQueue,
        workflowId: `invoice-${number}`,
        args: [{ number, customer: 'acme' }],
        priority: { fairnessKey: 'acme' },
      }),
    );
  }
  for (const handle of handles) {
    console.log(await handle.result());
  }
  await connection.close();
}

run().catch((err) => {
  console.error(err);
  process.exit(1);
});

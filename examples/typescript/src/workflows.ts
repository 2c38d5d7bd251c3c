import { proxyActivities } from '@temporalio/workflow';
import type * as activities from './activities';
import type { Order } from './order';

const { mail } = proxyActivities<typeof activities>({ startToCloseTimeout: '1 minute' });

export async function sendInvoice(order: Order): Promise<string> {
  return await mail(order);
}

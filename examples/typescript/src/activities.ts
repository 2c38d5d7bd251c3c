import type { Order } from './order';

// Stands for a call of a mail service, which takes a moment.
export async function mail(order: Order): Promise<string> {
  await new Promise((resolve) => setTimeout(resolve, 200));
  return `invoice ${order.number} for ${order.customer}`;
}

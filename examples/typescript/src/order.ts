export const taskQueue = 'invoices';

export interface Order {
  number: number;
  customer: string;
}

export const taskQueue = 'typescript-invoices';

export interface Order {
  number: number;
  customer: string;
}

/** Pure parts of Run Command: numbers given as percentages, the state of a command from those of its invocations. */
import type { CommandStatus } from '@aws-sdk/client-ssm';
import type { CommandRow, InvocationRow } from './state.ts';

/** A number or a percentage of a total; of a percentage of many at least one. */
export function countOf(text: string, total: number): number {
  if (!text.endsWith('%')) return Number(text);
  const share = Math.floor((total * Number(text.slice(0, -1))) / 100);
  return share === 0 && text !== '0%' && total > 0 ? 1 : share;
}

export interface CommandState {
  status: CommandStatus;
  details: string;
  completed: number;
  errors: number;
  deliveryTimedOut: number;
}

/** State of a command ("Understanding command statuses"): it fails when more invocations failed than may. */
export function stateOf(command: CommandRow, invocations: readonly InvocationRow[]): CommandState {
  const has = (status: InvocationRow['status']) => invocations.some((one) => one.status === status);
  const errors = invocations.filter(({ status }) => status === 'Failed' || status === 'TimedOut').length;
  const completed = invocations.filter(({ status }) => !['Pending', 'InProgress', 'Cancelling'].includes(status)).length;
  const deliveryTimedOut = invocations.filter(({ details }) => details === 'DeliveryTimedOut').length;
  const told = { completed, errors, deliveryTimedOut };
  const both = (status: CommandStatus, details: string = status) => ({ ...told, status, details });
  if (invocations.length === 0) return both('Success', 'NoInstancesInTag');
  if (completed < invocations.length) {
    if (command.cancelled) return both('Cancelling');
    return invocations.every(({ status }) => status === 'Pending') ? both('Pending') : both('InProgress');
  }
  if (command.cancelled && has('Cancelled')) return both('Cancelled');
  if (errors > countOf(command.maxErrors, command.total)) {
    const timedOut = !has('Failed');
    return both(
      timedOut ? 'TimedOut' : 'Failed',
      timedOut && deliveryTimedOut === errors ? 'DeliveryTimedOut' : timedOut ? 'ExecutionTimedOut' : 'Failed',
    );
  }
  return errors > 0 ? both('Success', 'Incomplete') : both('Success');
}

/** Folder of a plugin's output, on the instance and in a bucket: `awsrunShellScript/0.awsrunShellScript`. */
export function outputFolder(name: string, action: string): string {
  const plain = action.replaceAll(':', '');
  return `${plain}/${name === action ? `0.${plain}` : name}`;
}

/** The history of an execution. Source: API reference, "GetExecutionHistory" and "HistoryEvent". */
import type { HistoryEvent, SFN } from '@aws-sdk/client-sfn';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { wrongType } from './errors.ts';
import { onExecution, requireExecution, tablePage } from './lookup.ts';
import { pageSize } from './rules.ts';
import { Events, type EventRow } from './state.ts';

/** Members of details that are data of the execution. */
const dataMembers = new Set([
  'input',
  'output',
  'inputDetails',
  'outputDetails',
  'parameters',
  'assignedVariables',
  'assignedVariablesDetails',
]);
/** `parameters` is required in the model: it is shown empty. */
const emptied = new Set(['parameters']);

function eventOf({ id, previous, at, type, member, details = {} }: EventRow, withData: boolean): HistoryEvent {
  const shown = Object.entries(details)
    .filter(([name]) => withData || !dataMembers.has(name) || emptied.has(name))
    .map(([name, value]) => [name, !withData && emptied.has(name) ? '' : value] as const);
  return {
    timestamp: new Date(at),
    type: type as HistoryEvent['type'],
    id,
    previousEventId: previous,
    ...(member === undefined ? {} : { [member]: Object.fromEntries(shown) }),
  };
}

export const historyHandlers: HandlersOf<SFN> = {
  async GetExecutionHistory(
    { executionArn = '', maxResults, reverseOrder = false, nextToken, includeExecutionData = true },
    ctx,
  ) {
    if (/:express:/.test(executionArn)) throw wrongType();
    const { machine, name } = await requireExecution(ctx, executionArn);
    const scope = `GetExecutionHistory ${executionArn} ${reverseOrder}`;
    const options = { scope, token: nextToken, limit: pageSize(maxResults), reverse: reverseOrder };
    const page = await tablePage(ctx, Events, [machine, name], options);
    return { events: page.rows.map((row) => eventOf(row, includeExecutionData)), nextToken: page.nextToken };
  },
};

export const historyChecks: AuthorisationsOf<SFN> = {
  GetExecutionHistory: ({ executionArn }) => onExecution(executionArn),
};

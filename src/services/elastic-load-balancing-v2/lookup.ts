/** Finding what a request names. */
import type { Context, Transaction } from '../../kernel/context.ts';
import { requireArn } from './arns.ts';
import { balancerNotFound, groupNotFound, listenerNotFound, ruleNotFound, validationError } from './errors.ts';
import { type PageKey, pageOf } from '../../base/paging.ts';
import { type BalancerRow, Balancers, type GroupRow, Groups, type ListenerRow, Listeners, type RuleRow, Rules } from './state.ts';

type Reader = Pick<Context | Transaction, 'table'>;

/** Throws ValidationError, LoadBalancerNotFound. */
export async function findBalancer(reader: Reader, arn: string | undefined): Promise<BalancerRow> {
  const row = await reader.table(Balancers).get(requireArn(arn, 'loadbalancer'));
  if (row === undefined || row.state === 'deleting') throw balancerNotFound(arn);
  return row;
}

/** Throws ValidationError, TargetGroupNotFound. */
export async function findGroup(reader: Reader, arn: string | undefined): Promise<GroupRow> {
  const row = await reader.table(Groups).get(requireArn(arn, 'targetgroup'));
  if (row === undefined) throw groupNotFound();
  return row;
}

/** Throws ValidationError, ListenerNotFound. */
export async function findListener(reader: Reader, arn: string | undefined): Promise<ListenerRow> {
  const row = await reader.table(Listeners).get(requireArn(arn, 'listener'));
  if (row === undefined) throw listenerNotFound();
  return row;
}

/** Throws ValidationError, RuleNotFound. */
export async function findRuleRow(reader: Reader, arn: string | undefined): Promise<RuleRow> {
  const row = await reader.table(Rules).get(requireArn(arn, 'listener-rule'));
  if (row === undefined) throw ruleNotFound();
  return row;
}

/** Load balancers that route to the group by some rule. */
export async function balancersOf(reader: Reader, group: string): Promise<string[]> {
  const rules = await reader.table(Rules).byIndex('byGroup', [group]);
  return [...new Set(rules.map(({ balancer }) => balancer))];
}

/** Wakes the reconcilers of all load balancers that route to the group. */
export async function hintUsers(tx: Transaction, group: string): Promise<void> {
  for (const balancer of await balancersOf(tx, group)) tx.hint('balancers', balancer);
}

const pageSizeMax = 400;

/** One page of a describe operation. Throws ValidationError for a bad size or marker. */
export function describePage<T>(
  operation: string,
  items: readonly T[],
  keyOf: (item: T) => PageKey,
  { Marker, PageSize }: { Marker?: string | undefined; PageSize?: number | undefined },
): { items: T[]; marker: string | undefined } {
  if (PageSize !== undefined && (PageSize < 1 || PageSize > pageSizeMax))
    throw validationError(`Page size must be between 1 and ${pageSizeMax}`);
  const page = pageOf(items, keyOf, { scope: operation, token: Marker, limit: PageSize ?? pageSizeMax });
  if (page === undefined) throw validationError('Invalid marker');
  return { items: page.items, marker: page.nextToken };
}

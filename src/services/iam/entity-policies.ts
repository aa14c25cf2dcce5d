/**
 * What users, groups and roles do alike with policies: inline ones that live and die with the entity, and managed ones attached by ARN. Handlers
 * say which entity; the rules are here once.
 */
import type { AttachedPolicy } from '@aws-sdk/client-iam';
import type { Transaction } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import type { Table } from '../../store/tables.ts';
import { parseEntityArn } from './arns.ts';
import { checkDocument, encodeDocument } from './documents.ts';
import { cannotBeFound, limitExceeded, policyNotAttachable, policyNotFound, quotaExceeded } from './errors.ts';
import { checkPolicyArn, describeAttached, findPolicy } from './managed-policies.ts';
import { byKey, type PageInput, type PageOutput, pageItems } from './paging.ts';
import { policySize, quotas, type RequestCheck, sizes } from './rules.ts';
import type { PrincipalRow } from './state.ts';

/** A sort of entity that policies are given to. */
export interface EntitySort<Row extends PrincipalRow> {
  noun: 'user' | 'group' | 'role';
  table: Table<Row>;
  /** Quota on attached policies, and on the sum of inline policies without white space. */
  attachedQuota: 'PoliciesPerUser' | 'PoliciesPerGroup' | 'PoliciesPerRole';
  inlineSizeMax: number;
}

/** Adds or replaces an inline policy. Throws ValidationError, MalformedPolicyDocument, LimitExceeded. */
export async function putInlinePolicy<Row extends PrincipalRow>(
  tx: Transaction,
  sort: EntitySort<Row>,
  row: Row,
  name: string,
  document: string,
): Promise<void> {
  const inline = { ...row.inline, [name]: document };
  const size = Object.values(inline).reduce((sum, text) => sum + policySize(text), 0);
  if (size > sort.inlineSizeMax) {
    throw limitExceeded(`Maximum policy size of ${sort.inlineSizeMax} bytes exceeded for ${sort.noun} ${row.name}`);
  }
  await tx.table(sort.table).put({ ...row, inline });
}

/** Checks the members of the Put…Policy operations; the document as a permissions policy. Throws ValidationError, MalformedPolicyDocument. */
export function checkInlineMembers(check: RequestCheck, name: string, document: string): void {
  check.name('policyName', name, sizes.policyName).done();
  checkDocument(document, 'identity');
}

/** An inline policy's document as answers carry it. Throws NoSuchEntity. */
export function readInlinePolicy<Row extends PrincipalRow>(sort: EntitySort<Row>, row: Row, name: string): string {
  const document = Object.hasOwn(row.inline, name) ? row.inline[name] : undefined;
  if (document === undefined) throw cannotBeFound(`${sort.noun} policy`, name);
  return encodeDocument(document);
}

/** Removes an inline policy. Throws NoSuchEntity. */
export async function deleteInlinePolicy<Row extends PrincipalRow>(
  tx: Transaction,
  sort: EntitySort<Row>,
  row: Row,
  name: string,
): Promise<void> {
  readInlinePolicy(sort, row, name);
  const inline = Object.fromEntries(Object.entries(row.inline).filter(([other]) => other !== name));
  await tx.table(sort.table).put({ ...row, inline });
}

/** A page of the names of inline policies. */
export function pageInlinePolicies(row: PrincipalRow, input: PageInput): PageOutput & { PolicyNames: string[] } {
  const names = Object.keys(row.inline).sort(byKey((name) => name));
  const { items, page } = pageItems(`inline ${row.id}`, names, (name) => [name], input);
  return { PolicyNames: items, ...page };
}

/** Attaches a managed policy; nothing changes when it is attached already. Throws InvalidInput, NoSuchEntity, PolicyNotAttachable, LimitExceeded. */
export async function attachPolicy<Row extends PrincipalRow>(
  tx: Transaction,
  account: string,
  sort: EntitySort<Row>,
  row: Row,
  arn: string,
): Promise<void> {
  const found = await findPolicy(tx, account, arn);
  if (found === undefined) throw policyNotAttachable(arn);
  if (found.aws?.path.startsWith('/aws-service-role/') === true) {
    throw new AwsError('PolicyNotAttachable', `Cannot attach a Service Role Policy to a Customer ${capitalised(sort.noun)}.`);
  }
  if (row.attached.includes(arn)) return;
  const quota = quotas[sort.attachedQuota];
  if (row.attached.length >= quota) throw quotaExceeded(sort.attachedQuota, quota);
  await tx.table(sort.table).put({ ...row, attached: [...row.attached, arn] });
}

/** Detaches a managed policy. Throws InvalidInput, NoSuchEntity when it is not attached. */
export async function detachPolicy<Row extends PrincipalRow>(
  tx: Transaction,
  sort: EntitySort<Row>,
  row: Row,
  arn: string,
): Promise<void> {
  if (!row.attached.includes(arn)) throw policyNotFound(arn);
  await tx.table(sort.table).put({ ...row, attached: row.attached.filter((other) => other !== arn) });
}

/** Checks the ARN of the attach and detach operations, after the entity's name. Throws ValidationError, InvalidInput. */
export function checkAttachMembers(check: RequestCheck, arn: string | undefined): string {
  check.done();
  return checkPolicyArn(arn);
}

/** A page of the attached policies whose path begins with the prefix, by ARN. */
export function pageAttachedPolicies(
  row: PrincipalRow,
  input: PageInput & { PathPrefix?: string | undefined },
): PageOutput & { AttachedPolicies: AttachedPolicy[] } {
  const prefix = input.PathPrefix ?? '/';
  const arns = row.attached.filter((arn) => parseEntityArn('policy', arn)?.path.startsWith(prefix)).sort(byKey((arn) => arn));
  const { items, page } = pageItems(`attached ${row.id} ${prefix}`, arns, (arn) => [arn], input);
  return { AttachedPolicies: items.map(describeAttached), ...page };
}

function capitalised(noun: string): string {
  return noun.charAt(0).toUpperCase() + noun.slice(1);
}

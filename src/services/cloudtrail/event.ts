/** A call as CloudTrail writes it ("CloudTrail record contents"). */
import { createHash } from 'node:crypto';
import { servicePrincipal } from '../../kernel/caller.ts';
import type { CallRow } from '../../kernel/recorder.ts';
import type { Scope } from '../../kernel/context.ts';
import type { Value } from '../../store/store.ts';

/** Version of the record format. */
const eventVersion = '1.11';

/** A record, as in files, answers and events. */
export type TrailEvent = { readonly [member: string]: Value | undefined } & {
  eventID: string;
  eventName: string;
  eventSource: string;
};

/** The id of a call's event: the same whenever it is asked for. */
export function eventId({ requestId, at }: CallRow): string {
  const hex = createHash('sha256').update(`${requestId} ${at}`).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** `ec2.amazonaws.com` */
export function eventSource(service: string): string {
  return servicePrincipal(service);
}

function identityOf(row: CallRow): Value {
  const invokedBy = row.invokedBy;
  if (row.kind === 'service') return { type: 'AWSService', invokedBy };
  const base = { principalId: row.callerId, arn: row.arn, accountId: row.callerAccount, accessKeyId: row.accessKeyId, invokedBy };
  if (row.kind === 'root') return { type: 'Root', ...base };
  if (row.kind === 'user') return { type: 'IAMUser', ...base, userName: row.userName };
  if (row.kind === 'federated') return { type: 'FederatedUser', ...base };
  if (row.kind === 'anonymous') return { type: 'AWSAccount', principalId: '', accountId: 'ANONYMOUS_PRINCIPAL' };
  const [, role = ''] = /assumed-role\/([^/]+)/.exec(row.arn) ?? [];
  return {
    type: 'AssumedRole',
    ...base,
    sessionContext: {
      sessionIssuer: {
        type: 'Role',
        principalId: row.callerId.split(':')[0],
        arn: `arn:aws:iam::${row.callerAccount}:role/${role}`,
        accountId: row.callerAccount,
        userName: role,
      },
    },
  };
}

/** Members as the JSON of records has them: the first letter small. */
function lowered(value: Value | undefined): Value | undefined {
  if (Array.isArray(value)) return value.map((entry: Value) => lowered(entry) ?? null);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [`${name.charAt(0).toLowerCase()}${name.slice(1)}`, lowered(member as Value)]),
  );
}

/** The record of a call made in this account and Region. */
export function eventOf({ account, region }: Scope, row: CallRow, data = false): TrailEvent {
  const isEmpty = row.input === undefined || (typeof row.input === 'object' && Object.keys(row.input ?? {}).length === 0);
  const via = row.invokedBy;
  return {
    eventVersion,
    userIdentity: identityOf(row),
    eventTime: new Date(row.at).toISOString().replace(/\.\d{3}Z$/, 'Z'),
    eventSource: eventSource(row.service),
    eventName: row.operation,
    awsRegion: region,
    sourceIPAddress: via ?? row.sourceIp,
    userAgent: via ?? row.userAgent,
    errorCode: row.errorCode,
    errorMessage: row.errorMessage,
    requestParameters: isEmpty ? null : (lowered(row.input) ?? null),
    responseElements: row.errorCode === undefined ? (lowered(row.output) ?? null) : null,
    requestID: row.requestId,
    eventID: eventId(row),
    readOnly: row.readOnly,
    eventType: 'AwsApiCall',
    managementEvent: !data,
    recipientAccountId: account,
    eventCategory: data ? 'Data' : 'Management',
  };
}

/** Names of resources that a call touched, for searching: what its input and output call a name, an id or an ARN. */
export function resourcesOf(row: CallRow): { name: string }[] {
  const names = new Set<string>();
  const visit = (value: Value | undefined, member: string, depth: number): void => {
    if (depth > 6 || value === undefined || value === null) return;
    if (typeof value === 'string') {
      if (/(name|id|ids|arn|bucket|key|table|url)$/i.test(member) && value.length <= 512) names.add(value);
    } else if (Array.isArray(value)) for (const entry of value) visit(entry as Value, member, depth + 1);
    else if (typeof value === 'object' && !(value instanceof Uint8Array))
      for (const [name, entry] of Object.entries(value)) visit(entry as Value, name, depth + 1);
  };
  visit(row.input, '', 0);
  visit(row.output, '', 0);
  return [...names].map((name) => ({ name }));
}

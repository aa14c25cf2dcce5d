/**
 * Access control lists. A grant becomes a statement of a policy when a request is decided, so that one engine decides everything
 * ("Access control list (ACL) overview", mapping of ACL permissions and access policy permissions).
 */
import type { AccessControlPolicy, Grant as ApiGrant } from '@aws-sdk/client-s3';
import { accessDenied, invalidArgument, malformedXml, s3Error } from '../errors.ts';
import { canonicalId } from '../rules.ts';
import type { BucketRow, Grant } from '../state.ts';

const groups = 'http://acs.amazonaws.com/groups/';
const allUsers = `${groups}global/AllUsers`;
const authenticatedUsers = `${groups}global/AuthenticatedUsers`;
const logDelivery = `${groups}s3/LogDelivery`;

type Target = 'bucket' | 'object';

const permissions: ReadonlySet<string> = new Set(['FULL_CONTROL', 'READ', 'WRITE', 'READ_ACP', 'WRITE_ACP']);

/** Grants of a canned ACL beside the owner's. Throws InvalidArgument for a name that there is not. */
function cannedGrants(name: string, bucketOwner: string, owner: string, target: Target): Grant[] {
  const group = (grantee: string, permission: Grant['permission']): Grant => ({ grantee, kind: 'Group', permission });
  const bucketOwnerGrant = (permission: Grant['permission']): Grant[] =>
    bucketOwner === owner ? [] : [{ grantee: canonicalId(bucketOwner), kind: 'CanonicalUser', permission }];
  switch (name) {
    case 'private':
    case 'aws-exec-read':
      return [];
    case 'public-read':
      return [group(allUsers, 'READ')];
    case 'public-read-write':
      return [group(allUsers, 'READ'), group(allUsers, 'WRITE')];
    case 'authenticated-read':
      return [group(authenticatedUsers, 'READ')];
    case 'log-delivery-write':
      if (target === 'bucket') return [group(logDelivery, 'WRITE'), group(logDelivery, 'READ_ACP')];
      break;
    case 'bucket-owner-read':
      return target === 'object' ? bucketOwnerGrant('READ') : [];
    case 'bucket-owner-full-control':
      return target === 'object' ? bucketOwnerGrant('FULL_CONTROL') : [];
  }
  throw invalidArgument('Canned ACL is not valid', 'x-amz-acl', name);
}

/** Members of requests that set an ACL by headers. */
export interface AclAsk {
  ACL?: string | undefined;
  GrantFullControl?: string | undefined;
  GrantRead?: string | undefined;
  GrantReadACP?: string | undefined;
  GrantWrite?: string | undefined;
  GrantWriteACP?: string | undefined;
}

/** Whether a request brings an ACL at all. */
export function asksAcl(ask: AclAsk): boolean {
  return (
    (ask.ACL ?? ask.GrantFullControl ?? ask.GrantRead ?? ask.GrantReadACP ?? ask.GrantWrite ?? ask.GrantWriteACP) !== undefined
  );
}

/** Grants of a request's headers. Throws InvalidRequest for both kinds of header, InvalidArgument for what cannot be read. */
export function readAclHeaders(ask: AclAsk, bucketOwner: string, owner: string, target: Target): Grant[] {
  const lists: [string | undefined, Grant['permission']][] = [
    [ask.GrantFullControl, 'FULL_CONTROL'],
    [ask.GrantRead, 'READ'],
    [ask.GrantWrite, 'WRITE'],
    [ask.GrantReadACP, 'READ_ACP'],
    [ask.GrantWriteACP, 'WRITE_ACP'],
  ];
  const given = lists.filter(([header]) => header !== undefined);
  if (ask.ACL !== undefined) {
    if (given.length > 0) throw s3Error('InvalidRequest', 'Specifying both Canned ACLs and Header Grants is not allowed', 400);
    return cannedGrants(ask.ACL, bucketOwner, owner, target);
  }
  return given.flatMap(([header = '', permission]) => header.split(',').map((part) => readGrantee(part, permission)));
}

function readGrantee(part: string, permission: Grant['permission']): Grant {
  const [, kind, value = ''] = /^\s*(id|uri|emailAddress)\s*=\s*"?([^"]*)"?\s*$/.exec(part) ?? [];
  if (kind === 'id' && /^[0-9a-f]{64}$/.test(value)) return { grantee: value, kind: 'CanonicalUser', permission };
  if (kind === 'id') throw invalidArgument('Invalid id', 'CanonicalUser/ID', value);
  if (kind === 'uri' && [allUsers, authenticatedUsers, logDelivery].includes(value))
    return { grantee: value, kind: 'Group', permission };
  if (kind === 'uri') throw invalidArgument('Invalid group uri', 'uri', value);
  if (kind === 'emailAddress')
    throw s3Error('UnresolvableGrantByEmailAddress', 'The e-mail address you provided does not match any account on record', 400);
  throw invalidArgument('Argument format not recognized', 'x-amz-grant', part);
}

/** Grants of an ACL document. Throws MalformedXML, AccessDenied when it names another owner, InvalidArgument. */
export function readAclDocument(policy: AccessControlPolicy, owner: string): Grant[] {
  const ownerId = canonicalId(owner);
  if (policy.Owner?.ID === undefined) throw malformedXml();
  if (policy.Owner.ID !== ownerId) throw accessDenied();
  const grants: Grant[] = [];
  for (const { Grantee: grantee, Permission: permission } of policy.Grants ?? []) {
    if (permission === undefined || !permissions.has(permission)) throw malformedXml();
    const kind = grantee?.Type;
    if (kind === 'CanonicalUser') {
      const { grantee: id } = readGrantee(`id=${grantee?.ID ?? ''}`, permission);
      if (id !== ownerId || permission !== 'FULL_CONTROL') grants.push({ grantee: id, kind, permission });
    } else if (kind === 'Group') {
      grants.push(readGrantee(`uri=${grantee?.URI ?? ''}`, permission));
    } else {
      throw readGrantee('emailAddress=x', permission) as never;
    }
  }
  return grants;
}

/** Grants as answers show them, the owner's own first. */
export function describeGrants(owner: string, grants: readonly Grant[]): ApiGrant[] {
  const own: Grant = { grantee: canonicalId(owner), kind: 'CanonicalUser', permission: 'FULL_CONTROL' };
  return [own, ...grants].map(({ grantee, kind, permission }) => ({
    Grantee: kind === 'Group' ? { Type: kind, URI: grantee } : { Type: kind, ID: grantee },
    Permission: permission,
  }));
}

/** Whether a list opens something to everybody. */
export function isPublic(grants: readonly Grant[]): boolean {
  return grants.some(({ kind, grantee }) => kind === 'Group' && grantee !== logDelivery);
}

const bucketActions: Readonly<Record<Exclude<Grant['permission'], 'FULL_CONTROL'>, readonly string[]>> = {
  READ: ['s3:ListBucket', 's3:ListBucketVersions', 's3:ListBucketMultipartUploads'],
  WRITE: ['s3:PutObject', 's3:DeleteObject', 's3:DeleteObjectVersion'],
  READ_ACP: ['s3:GetBucketAcl'],
  WRITE_ACP: ['s3:PutBucketAcl'],
};

const objectActions: Readonly<Record<Exclude<Grant['permission'], 'FULL_CONTROL'>, readonly string[]>> = {
  READ: ['s3:GetObject', 's3:GetObjectVersion'],
  WRITE: [],
  READ_ACP: ['s3:GetObjectAcl', 's3:GetObjectVersionAcl'],
  WRITE_ACP: ['s3:PutObjectAcl', 's3:PutObjectVersionAcl'],
};

/** Statements for one caller's account out of a list of grants; group grants fall away when `ignorePublic`. */
export function statementsOf(
  grants: readonly Grant[],
  on: { target: Target; bucket: BucketRow; key?: string | undefined; account: string; ignorePublic: boolean },
): object[] {
  const table = on.target === 'bucket' ? bucketActions : objectActions;
  const arn = `arn:aws:s3:::${on.bucket.name}`;
  const resource = on.target === 'bucket' ? [arn, `${arn}/*`] : [`${arn}/${on.key ?? ''}`];
  const mine = on.account === '' ? '' : canonicalId(on.account);
  return grants.flatMap(({ grantee, kind, permission }) => {
    const actions = permission === 'FULL_CONTROL' ? Object.values(table).flat() : table[permission];
    if (actions.length === 0 || (kind === 'Group' && grantee !== logDelivery && on.ignorePublic)) return [];
    const who = principalOf(grantee, kind, mine, on.account);
    return who === undefined ? [] : [{ Effect: 'Allow', ...who, Action: actions, Resource: resource }];
  });
}

function principalOf(grantee: string, kind: Grant['kind'], mine: string, account: string): object | undefined {
  if (kind === 'CanonicalUser') return grantee === mine ? { Principal: { AWS: `arn:aws:iam::${account}:root` } } : undefined;
  if (grantee === allUsers) return { Principal: '*' };
  if (grantee === authenticatedUsers) return account === '' ? undefined : { Principal: '*' };
  return { Principal: { Service: 'logging.s3.amazonaws.com' } };
}

/**
 * Trust policies. Principals that are users or roles of this cloud are kept by unique id, as the real service keeps them: a principal that is deleted
 * and made again under its name is another one and is not trusted ("AWS JSON policy elements: Principal", IAM users). Ids do not tell their
 * account, so a role keeps that beside its policy (`trusted`), and reading turns ids back into ARNs while their owners exist.
 */
import { parseArn } from '../../base/arn.ts';
import { principalsOf, validatePolicy } from '../../kernel/policy/validate.ts';
import type { Table, TableReader } from '../../store/tables.ts';
import { parseEntityArn, roleArn, userArn } from './arns.ts';
import { checkDocumentMember } from './documents.ts';
import { limitExceeded, malformedPolicyDocument } from './errors.ts';
import { policySize, sizes } from './rules.ts';
import { type IdentityRow, Roles, Users } from './state.ts';

/** Reads rows of any account: principals may live in another one. A Context or a Transaction. */
export interface ReadingAnywhere {
  tableIn<Row, Index extends string>(
    scope: { account: string; region: string },
    table: Table<Row, Index>,
  ): TableReader<Row, Index>;
}

/** A trust policy as a role keeps it. */
export interface Trust {
  trust: string;
  /** Account by unique id of the principals that are users or roles. */
  trusted: Readonly<Record<string, string>>;
}

/** Checks a trust policy's grammar and size. Throws ValidationError, MalformedPolicyDocument, LimitExceeded. */
export function checkTrust(document: string, member = 'assumeRolePolicyDocument'): void {
  checkDocumentMember(document, member);
  const result = validatePolicy(document, 'trust');
  if (!result.ok) throw malformedPolicyDocument(result.message);
  if (policySize(document) > sizes.trustPolicy)
    throw limitExceeded(`Cannot exceed quota for ACLSizePerRole: ${sizes.trustPolicy}`);
  for (const { kind, value } of principalsOf(result.document)) {
    if (kind === 'Service' && !/^[a-z0-9.-]+\.amazonaws\.com$/.test(value)) throw invalidPrincipal('SERVICE', value);
    if (kind === 'Federated' && !isFederated(value)) throw invalidPrincipal('FEDERATED', value);
  }
}

/** Providers of an account by ARN, and the public ones that AWS knows by name. */
function isFederated(value: string): boolean {
  if (['accounts.google.com', 'www.amazon.com', 'graph.facebook.com', 'cognito-identity.amazonaws.com'].includes(value))
    return true;
  return /^(saml|oidc)-provider\/.+$/.test(parseArn(value)?.resource ?? '');
}

function invalidPrincipal(kind: string, value: string): Error {
  return malformedPolicyDocument(`Invalid principal in policy: "${kind}":"${value}"`);
}

/** A checked trust policy with users and roles by unique id. Throws MalformedPolicyDocument for those that do not exist. */
export async function resolveTrust(reading: ReadingAnywhere, document: string, old: Trust['trusted'] = {}): Promise<Trust> {
  const result = validatePolicy(document, 'trust');
  if (!result.ok) throw malformedPolicyDocument(result.message);
  const ids = new Map<string, string>();
  const trusted: Record<string, string> = {};
  for (const { kind, value } of principalsOf(result.document)) {
    if (kind !== 'AWS' || /^(\d{12}|arn:[a-z-]+:(iam::\d{12}:root|sts::.*))$/.test(value)) continue;
    const found = await findPrincipal(reading, value, old);
    if (found === undefined) throw invalidPrincipal('AWS', value);
    ids.set(value, found.id);
    trusted[found.id] = found.account;
  }
  return { trust: withPrincipals(document, (name) => ids.get(name) ?? rootForm(name)), trusted };
}

/** An account's number stands for its root, and is shown as that. */
function rootForm(name: string): string {
  return /^\d{12}$/.test(name) ? `arn:aws:iam::${name}:root` : name;
}

/** The trust policy as answers show it: ids whose owner is gone stay ids. */
export async function showTrust(reading: ReadingAnywhere, { trust, trusted }: Trust): Promise<string> {
  const names = new Map<string, string>();
  for (const [id, account] of Object.entries(trusted)) {
    const arn = await arnOfId(reading, id, account);
    if (arn !== undefined) names.set(id, arn);
  }
  return names.size === 0 ? trust : withPrincipals(trust, (name) => names.get(name) ?? name);
}

/** A user or role by ARN (path and name must be right), or by an id that exists, as a policy that is read and put back may hold. */
async function findPrincipal(
  reading: ReadingAnywhere,
  value: string,
  old: Trust['trusted'],
): Promise<{ id: string; account: string } | undefined> {
  const known = old[value];
  if (known !== undefined && (await arnOfId(reading, value, known)) !== undefined) return { id: value, account: known };
  const parsed = parseEntityArn('user', value) ?? parseEntityArn('role', value);
  if (parsed === undefined) return undefined;
  const { account, name } = parsed;
  const row = await rowOf(reading, account, parseEntityArn('user', value) === undefined ? 'role' : 'user', name);
  return row?.path === parsed.path && row.name === name ? { id: row.id, account } : undefined;
}

function rowOf(reading: ReadingAnywhere, account: string, kind: 'user' | 'role', name: string): Promise<IdentityRow | undefined> {
  const scope = { account, region: '' };
  const key = name.toLowerCase();
  return kind === 'user' ? reading.tableIn(scope, Users).get(key) : reading.tableIn(scope, Roles).get(key);
}

async function arnOfId(reading: ReadingAnywhere, id: string, account: string): Promise<string | undefined> {
  const scope = { account, region: '' };
  const user = await reading.tableIn(scope, Users).firstByIndex('byId', [id]);
  if (user !== undefined) return userArn(account, user);
  const role = await reading.tableIn(scope, Roles).firstByIndex('byId', [id]);
  return role === undefined ? undefined : roleArn(account, role);
}

/** The document with the values of `Principal.AWS` mapped; untouched, white space included, when nothing changes. */
function withPrincipals(document: string, map: (name: string) => string): string {
  const json = JSON.parse(document) as { Statement: unknown };
  let changed = false;
  const one = (name: unknown): unknown => {
    const mapped = typeof name === 'string' ? map(name) : name;
    changed ||= mapped !== name;
    return mapped;
  };
  for (const statement of [json.Statement].flat() as { Principal?: unknown }[]) {
    const principal = statement.Principal as { AWS?: unknown } | undefined;
    if (typeof principal !== 'object' || principal.AWS === undefined) continue;
    principal.AWS = Array.isArray(principal.AWS) ? principal.AWS.map(one) : one(principal.AWS);
  }
  return changed ? JSON.stringify(json) : document;
}

/** Who an access key is, and which policies an identity has: what the kernel asks of IAM for every signed request that is not root's. */
import { accountOfAccessKeyId } from '../../base/access-key-id.ts';
import { type Credential, type Identity, rootIdentity } from '../../kernel/caller.ts';
import type { Context } from '../../kernel/context.ts';
import type { CredentialSource, PolicySource } from '../../kernel/service.ts';
import { parseEntityArn, userArn } from './arns.ts';
import { groupsOf } from './groups.ts';
import { documentInForce } from './managed-policies.ts';
import { AccessKeys, type IdentityRow, type PrincipalRow, type Reading, Roles, type UserRow, Users } from './state.ts';

/** The identity of a user. */
export function userIdentity(account: string, row: UserRow): Identity {
  const arn = userArn(account, row);
  return {
    kind: 'user',
    account,
    arn,
    userId: row.id,
    userName: row.name,
    principal: { type: 'User', account, arn, uniqueId: row.id },
    tags: row.tags,
  };
}

/** Keys name their account, so a key is found in its account's own rows. */
export const credentialSource: CredentialSource = {
  async find(accessKeyId: string, ctx: Context): Promise<Credential | undefined> {
    const account = accountOfAccessKeyId(accessKeyId);
    if (account === undefined) return undefined;
    const scoped = ctx.inScope({ account });
    const key = await scoped.table(AccessKeys).get(accessKeyId);
    if (key === undefined) return undefined;
    const user = key.user === account ? undefined : await scoped.table(Users).firstByIndex('byId', [key.user]);
    if (user === undefined && key.user !== account) return undefined;
    const identity = user === undefined ? rootIdentity(account) : userIdentity(account, user);
    return { accessKeyId, secretAccessKey: key.secret, active: key.active, identity };
  },
};

interface Policies {
  identity: readonly string[];
  boundary?: string | undefined;
}

const everything = JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }] });
/** In place of a boundary whose policy cannot be read: nothing is allowed then, as without the boundary everything would be. */
const nothing = JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Deny', Action: '*', Resource: '*' }] });

async function policiesOfEntities(reading: Reading, account: string, entities: readonly PrincipalRow[]): Promise<string[]> {
  const documents: string[] = [];
  for (const { inline, attached } of entities) {
    documents.push(...Object.values(inline));
    for (const arn of attached) {
      const document = await documentInForce(reading, account, arn);
      if (document !== undefined) documents.push(document);
    }
  }
  return documents;
}

async function boundaryOf(reading: Reading, account: string, row: IdentityRow): Promise<string | undefined> {
  if (row.boundary === undefined) return undefined;
  return (await documentInForce(reading, account, row.boundary)) ?? nothing;
}

/** The policies of a user: its own and those of its groups. */
export async function policiesOfUser(reading: Reading, account: string, row: UserRow): Promise<Policies> {
  const groups = await groupsOf(reading, row.groups);
  return {
    identity: await policiesOfEntities(reading, account, [row, ...groups]),
    boundary: await boundaryOf(reading, account, row),
  };
}

/** The policies of a role. */
export async function policiesOfRole(reading: Reading, account: string, row: IdentityRow): Promise<Policies> {
  return {
    identity: await policiesOfEntities(reading, account, [row]),
    boundary: await boundaryOf(reading, account, row),
  };
}

/** Policies of whoever calls. A user or role that is gone has none, whatever its credentials still are. */
export const policySource: PolicySource = {
  async policiesOf(identity: Identity, ctx: Context): Promise<Policies> {
    const { account, principal } = identity;
    const scoped = ctx.inScope({ account });
    if (identity.kind === 'user') return userPolicies(scoped, identity.userName ?? '', identity.userId);
    if (identity.kind === 'role') {
      const row = await scoped.table(Roles).get(parseEntityArn('role', principal.roleArn ?? '')?.name.toLowerCase() ?? '');
      // A role made again under the same name is another role: sessions of the old one have nothing of it.
      if (row === undefined || !identity.userId.startsWith(`${row.id}:`)) return { identity: [] };
      return policiesOfRole(scoped, account, row);
    }
    // A federated user has what both its session policy and the user who called GetFederationToken allow.
    const { userArn: callerArn = '' } = principal;
    if (callerArn.endsWith(':root')) return { identity: [everything] };
    return userPolicies(scoped, parseEntityArn('user', callerArn)?.name ?? '', undefined);
  },
};

async function userPolicies(ctx: Context, name: string, id: string | undefined): Promise<Policies> {
  const row = await ctx.table(Users).get(name.toLowerCase());
  if (row === undefined || (id !== undefined && row.id !== id)) return { identity: [] };
  return policiesOfUser(ctx, ctx.account, row);
}

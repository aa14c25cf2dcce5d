/**
 * Service-specific credentials: a generated name and password for one service. CodeCommit and Keyspaces take them; API keys of Bedrock and
 * CloudWatch Logs, which AWS makes by the same operation, are left out and refused as not implemented.
 */
import type { IAM, ServiceSpecificCredential, ServiceSpecificCredentialMetadata } from '@aws-sdk/client-iam';
import type { Context } from '../../kernel/context.ts';
import { AwsError, parameterNotImplemented } from '../../kernel/errors.ts';
import type { AuthorisationsOf, Check, HandlersOf } from '../../kernel/service.ts';
import { onUser } from './authorise.ts';
import { dateOf } from './dates.ts';
import { noSuchEntity, quotaExceeded, validationError } from './errors.ts';
import { pageItems } from './paging.ts';
import { hashPassword, saltBytes } from './passwords.ts';
import { quotas, RequestCheck, sizes } from './rules.ts';
import { type PasswordHash, type Reading, type ServiceCredentialRow, ServiceCredentials, Users } from './state.ts';
import { requireOwner, requireUser } from './users.ts';

const passwordServices = ['codecommit.amazonaws.com', 'cassandra.amazonaws.com'];
const keyServices = ['bedrock.amazonaws.com', 'logs.amazonaws.com'];
/** Bytes of a generated password: 44 characters of base64. */
const passwordBytes = 32;

function checkService(name: string | undefined, operation: string): void {
  if (name === undefined || passwordServices.includes(name)) return;
  if (keyServices.includes(name)) throw parameterNotImplemented(operation, `ServiceName ${name}`);
  throw new AwsError('NotSupportedService', `No such service ${name} is supported for service-specific credentials.`, {
    status: 404,
  });
}

async function requireCredential(
  reading: Reading,
  ctx: Context,
  name: string | undefined,
  id: string,
): Promise<ServiceCredentialRow> {
  const owner = await requireOwner(reading, ctx, name);
  const row = await reading.table(ServiceCredentials).get(id);
  if (row === undefined || row.user !== owner.id) throw noSuchEntity(`No such credential ${id} exists`);
  return row;
}

/** A fresh password and its hash. Hashing is no store call, so it comes before the transaction. */
async function drawPassword(ctx: Context): Promise<{ password: string; hash: PasswordHash }> {
  const password = Buffer.from(ctx.bytes(passwordBytes)).toString('base64');
  return { password, hash: await hashPassword(password, ctx.bytes(saltBytes)) };
}

function describeMetadata(userName: string, row: ServiceCredentialRow): ServiceSpecificCredentialMetadata {
  return {
    UserName: userName,
    Status: row.active ? 'Active' : 'Inactive',
    ServiceUserName: row.login,
    CreateDate: dateOf(row.created),
    ServiceSpecificCredentialId: row.id,
    ServiceName: row.service,
  };
}

function describeCredential(userName: string, row: ServiceCredentialRow, password: string): ServiceSpecificCredential {
  return { ...(describeMetadata(userName, row) as ServiceSpecificCredential), ServicePassword: password };
}

function checkMembers(name: string | undefined, id?: string): RequestCheck {
  return new RequestCheck()
    .name('userName', name, sizes.userName)
    .length('serviceSpecificCredentialId', id, 20, 128)
    .pattern('serviceSpecificCredentialId', id, /^\w+$/, '[\\w]+');
}

/** `name-at-account`, and `name+1-at-account` for a second one. The name stays when the user is renamed. */
function loginFor(userName: string, account: string, others: readonly ServiceCredentialRow[]): string {
  const taken = new Set(others.map(({ login }) => login));
  for (let number = 0; ; number += 1) {
    const login = `${userName}${number === 0 ? '' : `+${number}`}-at-${account}`;
    if (!taken.has(login)) return login;
  }
}

export const serviceCredentialHandlers: HandlersOf<IAM> = {
  /** At most two per user and service. The password leaves the cloud once, in this answer. */
  async CreateServiceSpecificCredential({ UserName, ServiceName: service = '', CredentialAgeDays: age }, ctx) {
    checkMembers(UserName).range('credentialAgeDays', age, 1, 36_600).done();
    checkService(service, ctx.operation);
    if (age !== undefined) throw parameterNotImplemented(ctx.operation, 'CredentialAgeDays');
    const { password, hash } = await drawPassword(ctx);
    const id = ctx.id('serviceSpecificCredential');
    return ctx.transact(async (tx) => {
      const user = await requireUser(tx, UserName);
      const others = (await tx.table(ServiceCredentials).byIndex('byUser', [user.id])).filter((row) => row.service === service);
      const quota = quotas.ServiceSpecificCredentialsPerUser;
      if (others.length >= quota) throw quotaExceeded('ServiceSpecificCredentialsPerUser', quota);
      const login = loginFor(user.name, ctx.account, others);
      const row: ServiceCredentialRow = { id, user: user.id, created: ctx.now, service, login, password: hash, active: true };
      await tx.table(ServiceCredentials).put(row);
      return { ServiceSpecificCredential: describeCredential(user.name, row, password) };
    });
  },

  /** One user's, or with AllUsers everybody's. */
  async ListServiceSpecificCredentials(input, ctx) {
    checkMembers(input.UserName).paging(input).done();
    checkService(input.ServiceName, ctx.operation);
    const all = input.AllUsers === true;
    if (all && input.UserName !== undefined) throw validationError('UserName must not be given together with AllUsers.');
    const owner = all ? undefined : await requireOwner(ctx, ctx, input.UserName);
    const rows =
      owner === undefined
        ? await ctx.table(ServiceCredentials).list()
        : (await ctx.table(ServiceCredentials).byIndex('byUser', [owner.id])).sort((a, b) => (a.id < b.id ? -1 : 1));
    const chosen = rows.filter((row) => input.ServiceName === undefined || row.service === input.ServiceName);
    const scope = `ListServiceSpecificCredentials ${owner?.id ?? '*'} ${input.ServiceName ?? ''}`;
    const { items, page } = pageItems(scope, chosen, (row) => [row.id], input);
    const described: ServiceSpecificCredentialMetadata[] = [];
    for (const row of items) {
      const name = owner?.name ?? (await ctx.table(Users).firstByIndex('byId', [row.user]))?.name ?? '';
      described.push(describeMetadata(name, row));
    }
    return { ServiceSpecificCredentials: described, ...page };
  },

  async UpdateServiceSpecificCredential({ UserName, ServiceSpecificCredentialId: id = '', Status: status }, ctx) {
    checkMembers(UserName, id).oneOf('status', status, ['Active', 'Inactive']).done();
    await ctx.transact(async (tx) => {
      const row = await requireCredential(tx, ctx, UserName, id);
      await tx.table(ServiceCredentials).put({ ...row, active: status === 'Active' });
    });
    return {};
  },

  /** A new password; the old one works no longer. */
  async ResetServiceSpecificCredential({ UserName, ServiceSpecificCredentialId: id = '' }, ctx) {
    checkMembers(UserName, id).done();
    const { password, hash } = await drawPassword(ctx);
    return ctx.transact(async (tx) => {
      const owner = await requireOwner(tx, ctx, UserName);
      const row = { ...(await requireCredential(tx, ctx, UserName, id)), password: hash };
      await tx.table(ServiceCredentials).put(row);
      return { ServiceSpecificCredential: describeCredential(owner.name, row, password) };
    });
  },

  async DeleteServiceSpecificCredential({ UserName, ServiceSpecificCredentialId: id = '' }, ctx) {
    checkMembers(UserName, id).done();
    await ctx.transact(async (tx) => {
      const row = await requireCredential(tx, ctx, UserName, id);
      await tx.table(ServiceCredentials).delete(row.id);
    });
    return {};
  },
};

/** With `iam:ServiceSpecificCredentialServiceName`: of the request, or of the credential that it names. */
async function onUserAndService(
  input: {
    UserName?: string | undefined;
    ServiceName?: string | undefined;
    ServiceSpecificCredentialId?: string | undefined;
    AllUsers?: boolean | undefined;
  },
  ctx: Context,
): Promise<Check[]> {
  if (input.AllUsers === true) return [{ resource: '*' }];
  const row = await ctx.table(ServiceCredentials).get(input.ServiceSpecificCredentialId ?? '');
  const condition = { 'iam:ServiceSpecificCredentialServiceName': input.ServiceName ?? row?.service };
  const checks = await onUser({ UserName: input.UserName }, ctx);
  return checks.map((check) => ({ ...check, conditions: { ...check.conditions, ...condition } }));
}

export const serviceCredentialChecks: AuthorisationsOf<IAM> = {
  CreateServiceSpecificCredential: onUserAndService,
  ListServiceSpecificCredentials: onUserAndService,
  UpdateServiceSpecificCredential: onUserAndService,
  ResetServiceSpecificCredential: onUserAndService,
  DeleteServiceSpecificCredential: onUserAndService,
};

/**
 * From an access key id to an identity, and from an identity to its policies. The root users of all accounts are known here (design,
 * section 4: `test` and twelve digits); everything else is asked of the services that hold it.
 */
import type { PolicySet } from './policy/types.ts';
import type { Context } from './context.ts';
import { type Credential, type Identity, rootIdentity } from './caller.ts';
import type { Registry } from './registry.ts';

/** The access key id that stands for the root user of account 000000000000, as in other local clouds. */
const testKey = 'test';
const testAccount = '000000000000';

/**
 * Credentials of an access key id, or undefined when there are none. Root keys (`test`, or an account's twelve digits) accept the secret `test`
 * and, since nobody holds a secret to compare with, their own id.
 */
export async function findCredential(
  registry: Registry,
  accessKeyId: string,
  contextFor: (service: string) => Context,
): Promise<Credential | undefined> {
  if (accessKeyId === testKey) return rootCredential(accessKeyId, testAccount);
  if (/^\d{12}$/.test(accessKeyId)) return rootCredential(accessKeyId, accessKeyId);
  const holder = registry.credentialHolder(accessKeyId);
  if (holder === undefined) return undefined;
  const definition = registry.ready(holder.name) ?? (await registry.get(holder.name));
  return definition?.credentials?.find(accessKeyId, contextFor(holder.name));
}

const rootCredentials = new Map<string, Credential>();
/** Accounts whose root credential is kept ready: a cache, rebuilt at will. */
const rootCredentialsMax = 10_000;

function rootCredential(accessKeyId: string, account: string): Credential {
  let credential = rootCredentials.get(accessKeyId);
  if (credential === undefined) {
    credential = { accessKeyId, secretAccessKey: testKey, active: true, identity: rootIdentity(account) };
    if (rootCredentials.size >= rootCredentialsMax) rootCredentials.clear();
    rootCredentials.set(accessKeyId, credential);
  }
  return credential;
}

/** All policies that bear on an identity, but those of resources and endpoints. */
export async function policiesOf(
  registry: Registry,
  identity: Identity,
  contextFor: (service: string) => Context,
): Promise<PolicySet> {
  const set: PolicySet = { identity: [] };
  const controlHolder = registry.holder('control-policies');
  if (controlHolder !== undefined && identity.kind !== 'service' && identity.kind !== 'anonymous') {
    const definition = await registry.get(controlHolder.name);
    Object.assign(set, await definition?.controlPolicies?.controlsOf(identity.account, contextFor(controlHolder.name)));
  }
  if (identity.kind === 'user' || identity.kind === 'role' || identity.kind === 'federated') {
    const holder = registry.holder('identity-policies');
    const definition = holder === undefined ? undefined : await registry.get(holder.name);
    if (holder !== undefined) Object.assign(set, await definition?.policies?.policiesOf(identity, contextFor(holder.name)));
    set.session = identity.session?.policies;
  }
  return set;
}

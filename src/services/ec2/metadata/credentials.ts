/** Credentials of an instance's role, given out by the metadata service and renewed before they lapse ("Retrieve security credentials"). */
import type { Millis } from '../../../base/clock.ts';
import { parseArn } from '../../../base/arn.ts';
import type { Context } from '../../../kernel/context.ts';
import type { IamApi } from '../../iam/api.ts';
import type { StsApi } from '../../sts/api.ts';
import type { InstanceRow } from '../instances/state.ts';

export interface RoleCredentials {
  roleName: string;
  profileId: string;
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken: string;
  /** ISO times as the service prints them. */
  issued: string;
  expiration: string;
}

/** Credentials last six hours; new ones appear at least five minutes before the old lapse, here half way. */
const renewAt = 0.5;
/** Instances whose credentials are held at once. */
const heldMax = 10_000;

interface Held {
  roleId: string;
  profileArn: string;
  credentials: RoleCredentials;
  renew: Millis;
}

/** Holds each instance's current credentials: a cache, made again after a restart. */
export class RoleCredentialsCache {
  readonly #held = new Map<string, Held>();

  /** Current credentials of the instance's role, or undefined when it has none (any more). */
  async find(ctx: Context, row: InstanceRow): Promise<RoleCredentials | undefined> {
    if (row.profileArn === undefined || row.state === 'terminated') return undefined;
    const now = ctx.clock.now();
    const iam = await ctx.internal<IamApi>('iam');
    const profile = await iam.findInstanceProfile(ctx.account, parseArn(row.profileArn)?.resource.split('/').at(-1) ?? '');
    const role = profile === undefined ? undefined : await iam.roleOf(ctx.account, profile);
    if (profile === undefined || role === undefined) return undefined;
    // Looked up each time, so that a role that was taken away, or reset with its account, is not given out of this cache.
    const held = this.#held.get(row.id);
    if (held !== undefined && held.roleId === role.id && held.profileArn === row.profileArn && held.renew > now)
      return held.credentials;
    const sts = await ctx.internal<StsApi>('sts');
    const session = await sts.instanceCredentials({ account: ctx.account, roleName: role.name, sessionName: row.id });
    const seconds = (time: Millis) => new Date(time).toISOString().replace(/\.\d{3}/, '');
    const credentials: RoleCredentials = {
      roleName: role.name,
      profileId: profile.id,
      accessKeyId: session.accessKeyId,
      secretAccessKey: session.secretAccessKey,
      sessionToken: session.sessionToken,
      issued: seconds(session.issuedAt),
      expiration: seconds(session.expires),
    };
    if (this.#held.size >= heldMax) this.#held.clear();
    this.#held.set(row.id, {
      roleId: role.id,
      profileArn: row.profileArn,
      credentials,
      renew: session.issuedAt + (session.expires - session.issuedAt) * renewAt,
    });
    return credentials;
  }
}

/** Keys that EC2 Instance Connect pushes: held for 60 seconds, told to the instance by its metadata service. */
import type { Millis } from '../../../base/clock.ts';
import type { Context } from '../../../kernel/context.ts';
import type { Task } from '../../../kernel/service.ts';
import { type InstanceRow, Instances } from '../instances/state.ts';
import { PushedKeys } from './state.ts';

/** "The SSH public key remains in the instance metadata for 60 seconds". */
const lifetime: Millis = 60_000;

/** What an instance's SSH server asks for keys beyond the user's own: its metadata service holds them, as on the real cloud's images. */
export const pushedKeysProgram = `at=http://169.254.169.254/latest
token=$(curl -s -f -m 2 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' $at/api/token) || exit 0
exec curl -s -f -m 2 -H "X-aws-ec2-metadata-token: $token" "$at/meta-data/managed-ssh-keys/active-keys/$1"
`;

/** The instance that a key may be pushed to, as far as the caller must know it. */
export type ConnectTarget = Pick<InstanceRow, 'id' | 'state' | 'zone' | 'tags'>;

/** An instance of the account and Region; undefined when there is none. */
export async function connectTarget(ctx: Context, instanceId: string): Promise<ConnectTarget | undefined> {
  return ctx.table(Instances).get(instanceId);
}

/** Makes a key valid for a user of an instance, for a minute from now. */
export async function pushKey(ctx: Context, instanceId: string, user: string, publicKey: string): Promise<void> {
  const expires = ctx.now + lifetime;
  await ctx.transact(async (tx) => {
    await tx.table(PushedKeys).put({ instanceId, user, publicKey, expires });
    await tx.schedule({ task: 'forgetPushedKeys', key: instanceId, due: expires });
  });
}

/** Keys that are valid now, by user. */
export async function activeKeys(ctx: Context, instanceId: string): Promise<Record<string, string>> {
  const byUser: Record<string, string> = {};
  const now = ctx.clock.now();
  for (const row of await ctx.table(PushedKeys).list({ prefix: [instanceId] }))
    if (row.expires > now) byUser[row.user] = `${byUser[row.user] ?? ''}${row.publicKey}\n`;
  return byUser;
}

/** Drops what has lapsed. */
export const forgetPushedKeys: Task = async (job, ctx) => {
  await ctx.transact(async (tx) => {
    for (const row of await tx.table(PushedKeys).list({ prefix: [job.key] }))
      if (row.expires <= job.due) await tx.table(PushedKeys).delete(row.instanceId, row.user, row.publicKey);
  });
};

/**
 * The cloud's public addresses: 198.18.0.0/15 (RFC 2544, routed nowhere). No two live holders share one (VPC-017), and a freed one is not
 * given out again soon, so that a stopped instance really comes back with another (EC2-033).
 */
import { formatIp4, parseCidr4 } from '../../../base/cidr.ts';
import type { Context, Transaction } from '../../../kernel/context.ts';
import { AwsError } from '../../../kernel/errors.ts';
import { PublicIps } from './state.ts';

const pool = parseCidr4('198.18.0.0/15')!;
/** The lowest addresses are the cloud's own: its gateway, its name servers. */
const ownAddresses = 256;
/** So are the highest: environments of functions (planes/fabric/addresses.ts). */
const functionAddresses = 4096;
const poolSize = 2 ** (32 - pool.prefix) - ownAddresses - functionAddresses;
/** Draws before the pool counts as exhausted; at half use one draw in two succeeds. */
const drawsMax = 64;

/** Takes a free public address for this account and Region. Throws InsufficientAddressCapacity when none is found. */
export async function takePublicIp(tx: Transaction, ctx: Context): Promise<string> {
  for (let draw = 0; draw < drawsMax; draw += 1) {
    const random = ctx.bytes(4).reduce((all, byte) => all * 256 + byte, 0);
    const address = formatIp4(pool.base + ownAddresses + (random % poolSize));
    if ((await tx.table(PublicIps).get(address)) !== undefined) continue;
    await tx.table(PublicIps).put({ address, account: ctx.account, region: ctx.region });
    return address;
  }
  throw new AwsError('InsufficientAddressCapacity', 'Not enough available addresses to satisfy your request.');
}

/** Gives back all that an account holds: the pool belongs to no account, so a reset of one would leave its addresses taken. */
export async function freePublicIpsOf(ctx: Context, account: string): Promise<void> {
  await ctx.transact(async (tx) => {
    for (const { address } of await tx.table(PublicIps).byIndex('byAccount', [account]))
      await tx.table(PublicIps).delete(address);
  });
}

/** Gives an address back. Safe to repeat. */
export async function freePublicIp(tx: Transaction, address: string): Promise<void> {
  await tx.table(PublicIps).delete(address);
}

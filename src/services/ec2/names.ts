/** DNS names of instances, as the real cloud forms them; public ones end in `.localhost`, so that they work from the host with no DNS set-up. */
import type { Context } from '../../kernel/context.ts';

/** `ip-10-0-0-5.ec2.internal` in us-east-1, `ip-10-0-0-5.eu-west-1.compute.internal` elsewhere ("IP name"). */
export function privateDnsName(ctx: Pick<Context, 'region'>, address: string): string {
  const host = `ip-${address.replaceAll('.', '-')}`;
  return ctx.region === 'us-east-1' ? `${host}.ec2.internal` : `${host}.${ctx.region}.compute.internal`;
}

/** `ec2-198-18-1-5.us-east-1.compute.localhost`: from the host, with the gateway's port, it leads to port 80 of the address. */
export function publicDnsName(ctx: Pick<Context, 'region'>, address: string): string {
  return `ec2-${address.replaceAll('.', '-')}.${ctx.region}.compute.localhost`;
}

/** Finding the delivery stream that a request names, what to ask of policies for it, and the roles by which it acts. */
import type { Context, Scope } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import type { Check } from '../../kernel/service.ts';
import type { StsApi } from '../sts/api.ts';
import { invalidArgument, streamBusy, streamNotFound } from './errors.ts';
import { type StreamRow, Streams } from './state.ts';

export function streamArn({ account, region }: Scope, name: string): string {
  return `arn:aws:firehose:${region}:${account}:deliverystream/${name}`;
}

/** Throws ResourceNotFoundException. */
export async function requireStream(ctx: Context, name = ''): Promise<StreamRow> {
  const stream = await ctx.table(Streams).get(name);
  if (stream === undefined) throw streamNotFound(name, ctx.account);
  return stream;
}

/** The same for what needs an active stream. Throws ResourceInUseException. */
export async function requireActive(ctx: Context, name: string | undefined): Promise<StreamRow> {
  const stream = await requireStream(ctx, name);
  if (stream.status !== 'ACTIVE') throw streamBusy(stream.name, ctx.account, stream.status);
  return stream;
}

export async function onStream(
  { DeliveryStreamName = '' }: { DeliveryStreamName?: string | undefined },
  ctx: Context,
): Promise<Check[]> {
  const row = await ctx.table(Streams).get(DeliveryStreamName);
  const conditions = Object.fromEntries(Object.entries(row?.tags ?? {}).map(([key, value]) => [`aws:ResourceTag/${key}`, value]));
  return [{ resource: streamArn(ctx, DeliveryStreamName), conditions }];
}

/** Giving a role to Firehose needs iam:PassRole. */
export function passRoles(roles: readonly (string | undefined)[]): Check[] {
  const distinct = new Set(roles.filter((role) => role !== undefined));
  return [...distinct].map((resource) => ({
    action: 'iam:PassRole',
    resource,
    conditions: { 'iam:PassedToService': 'firehose.amazonaws.com' },
  }));
}

/** This service with a role's rights. Throws NoSuchEntity, AccessDenied. */
export async function actBy(ctx: Context, roleArn: string): Promise<Context> {
  const sts = await ctx.internal<StsApi>('sts');
  const identity = await sts.roleIdentity({ roleArn, sessionName: 'AWSFirehoseToS3', service: 'firehose' });
  return ctx.asIdentity(identity);
}

/** Throws InvalidArgumentException when Firehose may not act by a role. */
export async function checkRole(ctx: Context, roleArn: string): Promise<void> {
  try {
    await actBy(ctx, roleArn);
  } catch (error) {
    if (!(error instanceof AwsError)) throw error;
    throw invalidArgument(`Firehose is unable to assume role ${roleArn}. Please check the role provided.`);
  }
}

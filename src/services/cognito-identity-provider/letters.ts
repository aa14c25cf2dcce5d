/** Codes and invitations on their way to users: into the outbox, which users of Pilvi read under /_pilvi/outbox. */
import type { CodeDeliveryDetailsType } from '@aws-sdk/client-cognito-identity-provider';
import type { Millis } from '../../base/clock.ts';
import type { Context, Transaction } from '../../kernel/context.ts';
import { post } from '../../kernel/outbox.ts';
import { codeExpired, codeMismatch } from './errors.ts';
import { sameText } from './srp.ts';
import type { CodeFacts, MessageTemplate, PoolRow, UserRow, VerifiedAttribute } from './state.ts';

const codeDigits = 6;
const sender = 'no-reply@verificationemail.com';

/** Six digits, each equally likely. */
function newCode(ctx: Context): string {
  const limit = 4_294_000_000;
  for (;;) {
    const value = Buffer.from(ctx.bytes(4)).readUInt32BE(0);
    if (value < limit) return String(value % 10 ** codeDigits).padStart(codeDigits, '0');
  }
}

/** `a***@e***`, `+*******1234`: as AWS shows where a code went. */
function masked(attribute: VerifiedAttribute, value: string): string {
  if (attribute === 'phone_number') return `+${'*'.repeat(Math.max(0, value.length - 5))}${value.slice(-4)}`;
  const [name = '', domain = ''] = value.split('@');
  return `${name.slice(0, 1)}***@${domain.slice(0, 1)}***`;
}

/** Where a code of the user's goes: the first of these attributes that it has. */
export function wayTo(
  user: Pick<UserRow, 'attributes'>,
  attributes: readonly VerifiedAttribute[],
): VerifiedAttribute | undefined {
  return attributes.find((name) => (user.attributes[name] ?? '') !== '');
}

/** Where a code for a forgotten password goes: the first of the pool's ways that is verified. */
export function wayToRecover({ attributes }: Pick<UserRow, 'attributes'>, { recovery }: PoolRow): VerifiedAttribute | undefined {
  return (recovery ?? ['phone_number', 'email']).find((name) => attributes[`${name}_verified`] === 'true');
}

async function send(
  ctx: Context,
  tx: Transaction,
  { attributes }: Pick<UserRow, 'attributes'>,
  attribute: VerifiedAttribute,
  { subject, body }: MessageTemplate,
): Promise<void> {
  const to = attributes[attribute] ?? '';
  const letter = attribute === 'email' ? { kind: 'email' as const, subject } : { kind: 'sms' as const };
  await post(ctx, tx, ctx, { ...letter, from: sender, to, body });
}

/** Sends a code; returns what to keep of it. */
export async function sendCode(
  ctx: Context,
  tx: Transaction,
  pool: PoolRow,
  user: UserRow,
  { attribute, millis }: { attribute: VerifiedAttribute; millis: Millis },
): Promise<CodeFacts> {
  const code = newCode(ctx);
  const body = pool.verification.body.replaceAll('{####}', code).replaceAll('{username}', user.username);
  await send(ctx, tx, user, attribute, { subject: pool.verification.subject, body });
  return { code, until: ctx.now + millis, attribute };
}

/** Tells a user that an administrator made its name and a temporary password. */
export async function invite(
  ctx: Context,
  tx: Transaction,
  pool: PoolRow,
  user: UserRow,
  password: string,
  media: readonly VerifiedAttribute[],
) {
  const body = pool.invitation.body.replaceAll('{####}', password).replaceAll('{username}', user.username);
  for (const attribute of media)
    if ((user.attributes[attribute] ?? '') !== '')
      await send(ctx, tx, user, attribute, { subject: pool.invitation.subject, body });
}

/** What the answer says of a code that was sent. */
export function deliveryOf({ attributes }: Pick<UserRow, 'attributes'>, attribute: VerifiedAttribute): CodeDeliveryDetailsType {
  return {
    AttributeName: attribute,
    DeliveryMedium: attribute === 'email' ? 'EMAIL' : 'SMS',
    Destination: masked(attribute, attributes[attribute] ?? ''),
  };
}

/** Throws ExpiredCodeException when there is no code or it is over, CodeMismatchException for another. */
export function checkCode(ctx: Context, kept: CodeFacts | undefined, given: string | undefined): CodeFacts {
  if (kept === undefined || kept.until <= ctx.now) throw codeExpired();
  if (!sameText(kept.code, given ?? '')) throw codeMismatch();
  return kept;
}

/** What rotation keeps in a secret's row, and what waits on its account. Used by everything that changes secrets; the rotation itself is in rotation.ts. */
import type { Millis } from '../../base/clock.ts';
import type { Transaction } from '../../kernel/context.ts';
import { invalidParameter } from './errors.ts';
import { nextRotation } from './rotation-rules.ts';
import type { RotationFacts, SecretRow } from './state.ts';

/** Lets the next rotation by the secret's rules fall due; nothing waits when there is none. */
export async function scheduleRotation(tx: Transaction, { name, rotation }: SecretRow): Promise<void> {
  if (rotation?.enabled === true && rotation.next !== undefined)
    await tx.schedule({ task: 'rotationDue', key: name, due: rotation.next.due });
  else await tx.unschedule('rotationDue', name);
}

/** Nothing of a secret's rotation happens any more. */
export async function stopRotation(tx: Transaction, name: string): Promise<void> {
  await tx.unschedule('rotationDue', name);
  await tx.unschedule('rotate', name);
}

/** "Manually updating the secret value by calling PutSecretValue or UpdateSecret is considered a valid rotation", for rules in days. */
export function rotatedByHand({ rotation }: SecretRow, now: Millis): RotationFacts | undefined {
  if (rotation === undefined || !rotation.enabled || rotation.rules.days === undefined) return rotation;
  return { ...rotation, next: nextRotation(rotation, now) };
}

/** A token that comes with a value is that of the rotation which made the version. Throws InvalidParameterException. */
export function checkRotationToken({ rotation }: SecretRow, version: string, token: string | undefined): void {
  if (token === undefined) return;
  const { pending } = rotation ?? {};
  if (pending?.version !== version || pending.token !== token)
    throw invalidParameter('The RotationToken is not that of a rotation of this version of the secret.');
}

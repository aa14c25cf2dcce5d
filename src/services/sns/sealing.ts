/**
 * Server-side encryption of topics ("Encrypting messages published to Amazon SNS"): the message lies encrypted in rows, its metadata does not. KMS
 * makes the data key with the publisher's rights, who needs `kms:GenerateDataKey` and `kms:Decrypt`; one is used again, per publisher, for five minutes.
 * To deliver, SNS opens it on the publisher's account: no policy is asked again, but a key that is disabled by then opens nothing.
 */
import type { Millis } from '../../base/clock.ts';
import type { Context } from '../../kernel/context.ts';
import { decryptBytes, encryptBytes, keepDataKey } from '../../kernel/data-keys.ts';
import { AwsError } from '../../kernel/errors.ts';
import type { KmsApi } from '../kms/api.ts';
import { topicArn } from './arns.ts';
import { kmsError } from './errors.ts';
import type { NoticeRow, TopicRow } from './state.ts';

const reuseMillis: Millis = 300_000;

type Content = Pick<NoticeRow, 'message' | 'byProtocol'>;
type Sealed<N> = Omit<N, keyof Content> & Content & Pick<NoticeRow, 'sealed'>;

/** Messages as they are kept. `ctx` is the publisher's, in the topic's scope. Throws the errors that KMS gives, by SNS's names (`KMSAccessDenied`…). */
export async function seal<N extends Content>(
  ctx: Context,
  { name, kmsKey }: TopicRow,
  messages: readonly N[],
): Promise<readonly Sealed<N>[]> {
  if (kmsKey === undefined) return messages;
  const EncryptionContext = { 'aws:sns:topicArn': topicArn(ctx, name) };
  const { plain, wrapped } = await keepDataKey(
    ctx,
    `${topicArn(ctx, name)} ${ctx.caller.arn} ${kmsKey}`,
    reuseMillis,
    async () => {
      // The key behind AWS's own alias is made when it is first used.
      const own = kmsKey.endsWith('alias/aws/sns');
      const KeyId = own ? await (await ctx.internal<KmsApi>('kms')).managedKey(ctx, 'sns') : kmsKey;
      try {
        const made = await ctx.call('kms').generateDataKey({ KeyId, KeySpec: 'AES_256', EncryptionContext });
        await ctx.call('kms').decrypt({ CiphertextBlob: made.CiphertextBlob, EncryptionContext });
        return { plain: made.Plaintext ?? new Uint8Array(), wrapped: made.CiphertextBlob };
      } catch (error) {
        throw error instanceof AwsError ? kmsError(error) : error;
      }
    },
  );
  return messages.map((one) => {
    const { message, byProtocol } = one;
    const bytes = encryptBytes(ctx, plain, Buffer.from(JSON.stringify({ message, byProtocol })));
    return { ...one, message: '', byProtocol: undefined, sealed: { bytes, key: wrapped ?? new Uint8Array() } };
  });
}

/** A message as it was published. `ctx` is SNS's own, in the topic's scope. Throws what KMS answers. */
export async function unseal(ctx: Context, topic: string, notice: NoticeRow): Promise<NoticeRow> {
  const { sealed, ...rest } = notice;
  if (sealed === undefined) return notice;
  const EncryptionContext = { 'aws:sns:topicArn': topicArn(ctx, topic) };
  const name = `${topicArn(ctx, topic)} ${Buffer.from(sealed.key).toString('base64')}`;
  const { plain } = await keepDataKey(ctx, name, reuseMillis, async () => {
    const opened = await ctx.asService().call('kms').decrypt({ CiphertextBlob: sealed.key, EncryptionContext });
    return { plain: opened.Plaintext ?? new Uint8Array(), wrapped: sealed.key };
  });
  return { ...rest, ...(JSON.parse(decryptBytes(plain, sealed.bytes).toString('utf8')) as Content) };
}

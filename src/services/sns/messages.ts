/** Forms of messages: the JSON of notifications and confirmations, letters, and what raw delivery sends. */
import type { Context } from '../../kernel/context.ts';
import { subscriptionArn, topicArn } from './arns.ts';
import { shownAttributes } from './attributes.ts';
import { baseUrl, certificateUrl, sign } from './signing.ts';
import type { NoticeRow, Protocol, SubscriptionRow, TopicRow } from './state.ts';

/** The text for a protocol. */
export function textFor(notice: NoticeRow, protocol: string): string {
  return notice.byProtocol?.[protocol] ?? notice.message;
}

export function unsubscribeUrl(ctx: Context, row: SubscriptionRow): string {
  return `${baseUrl(ctx, row.protocol)}/?Action=Unsubscribe&Version=2010-03-31&SubscriptionArn=${subscriptionArn(ctx, row.topic, row.id)}`;
}

export function confirmUrl(ctx: Context, row: SubscriptionRow): string {
  return `${baseUrl(ctx, row.protocol)}/?Action=ConfirmSubscription&Version=2010-03-31&TopicArn=${topicArn(ctx, row.topic)}&Token=${row.token ?? ''}`;
}

/** Signed forms of a notice by their text: what is signed is the same for all subscribers, and a signature takes a millisecond. Rebuildable. */
const signedCache = new WeakMap<NoticeRow, Map<string, Promise<object>>>();

/** The part of a notification that is the same for all subscribers of a protocol, signed. */
async function signedPart(ctx: Context, topic: TopicRow, notice: NoticeRow, protocol: Protocol): Promise<object> {
  const text = textFor(notice, protocol);
  let byText = signedCache.get(notice);
  if (byText === undefined) {
    byText = new Map();
    signedCache.set(notice, byText);
  }
  let signed = byText.get(text);
  if (signed === undefined) {
    signed = sign(ctx, topic.signatureVersion, {
      Type: 'Notification',
      MessageId: notice.id,
      ...(notice.sequence === undefined ? {} : { SequenceNumber: notice.sequence }),
      TopicArn: topicArn(ctx, topic.name),
      ...(notice.subject === undefined ? {} : { Subject: notice.subject }),
      Message: text,
      Timestamp: new Date(notice.at).toISOString(),
    });
    byText.set(text, signed);
  }
  return { ...(await signed), SigningCertURL: await certificateUrl(ctx, protocol) };
}

/** The JSON of a notification, signed. */
export async function notificationJson(ctx: Context, topic: TopicRow, row: SubscriptionRow, notice: NoticeRow): Promise<string> {
  const signed = await signedPart(ctx, topic, notice, row.protocol);
  return JSON.stringify(
    {
      ...signed,
      UnsubscribeURL: unsubscribeUrl(ctx, row),
      ...(notice.attributes === undefined ? {} : { MessageAttributes: shownAttributes(notice.attributes) }),
      ...(notice.replayed === true ? { Replayed: 'true' } : {}),
    },
    undefined,
    2,
  );
}

/** The event that a function gets of a notice ("Invoking Lambda functions with Amazon SNS notifications"). */
export async function functionEvent(ctx: Context, topic: TopicRow, row: SubscriptionRow, notice: NoticeRow): Promise<string> {
  const { SigningCertURL, Subject, ...signed } = (await signedPart(ctx, topic, notice, 'lambda')) as Record<string, string>;
  const Sns = {
    ...signed,
    Subject: Subject ?? null,
    SigningCertUrl: SigningCertURL,
    UnsubscribeUrl: unsubscribeUrl(ctx, row),
    MessageAttributes: notice.attributes === undefined ? {} : shownAttributes(notice.attributes),
  };
  const EventSubscriptionArn = subscriptionArn(ctx, topic.name, row.id);
  return JSON.stringify({ Records: [{ EventSource: 'aws:sns', EventVersion: '1.0', EventSubscriptionArn, Sns }] });
}

/** The JSON by which an endpoint is asked to confirm, signed. */
export async function confirmationJson(
  ctx: Context,
  topic: TopicRow,
  row: SubscriptionRow,
): Promise<{ id: string; body: string }> {
  const arn = topicArn(ctx, topic.name);
  const id = ctx.uuid();
  const signed = await sign(ctx, topic.signatureVersion, {
    Type: 'SubscriptionConfirmation',
    MessageId: id,
    Token: row.token ?? '',
    TopicArn: arn,
    Message: `You have chosen to subscribe to the topic ${arn}.\nTo confirm the subscription, visit the SubscribeURL included in this message.`,
    SubscribeURL: confirmUrl(ctx, row),
    Timestamp: new Date(ctx.clock.now()).toISOString(),
  });
  return { id, body: JSON.stringify({ ...signed, SigningCertURL: await certificateUrl(ctx, row.protocol) }, undefined, 2) };
}

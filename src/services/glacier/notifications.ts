/** Notices of finished jobs: to the topic that the job names, and to the vault's for the events it wants ("Configuring Vault Notifications"). */
import type { Glacier } from '@aws-sdk/client-glacier';
import { parseArn } from '../../base/arn.ts';
import type { Transaction } from '../../kernel/context.ts';
import { AwsError } from '../../kernel/errors.ts';
import type { HandlersOf, Task } from '../../kernel/service.ts';
import { invalidParameter, notFound } from './errors.ts';
import { describeJob } from './job-descriptions.ts';
import { atAccount, changeVault, requireVault, vaultArn } from './lookup.ts';
import { type JobRow, Jobs, type VaultRow } from './state.ts';

const events = ['ArchiveRetrievalCompleted', 'InventoryRetrievalCompleted'];

/** Throws InvalidParameterValueException for what is no ARN of a topic. */
export function checkTopic(arn: string): void {
  const parsed = parseArn(arn);
  if (parsed?.service !== 'sns' || parsed.resource === '') throw invalidParameter(`Invalid SNS topic ARN: ${arn}`);
}

/** Notices go out with the commit; one that a topic does not take is lost, as nobody is there to be told. */
export async function tellLater(tx: Transaction, vault: VaultRow, job: JobRow): Promise<void> {
  const wanted = vault.notification?.events.includes(`${job.action}Completed`) ? vault.notification.topic : undefined;
  const topics = new Set([job.topic, wanted].filter((topic) => topic !== undefined));
  for (const topic of topics) {
    const payload = { vault: vault.name, id: job.id, topic };
    await tx.schedule({ task: 'tell', key: `${vault.name}/${job.id}/${topic}`, due: job.completed ?? 0, payload });
  }
}

/** Publishes the job's description as the service, for the vault. */
export const tell: Task = async ({ payload }, ctx) => {
  const { vault, id, topic } = payload as { vault: string; id: string; topic: string };
  const job = await ctx.table(Jobs).get(vault, id);
  if (job === undefined) return;
  try {
    await ctx
      .onAccountOf(vaultArn(ctx, vault))
      .call('sns')
      .publish({ TopicArn: topic, Message: JSON.stringify(describeJob(ctx, job)) });
  } catch (error) {
    if (!(error instanceof AwsError) || error.status >= 500) throw error;
    ctx.trace(`The notice to ${topic} was refused: ${error.message}`);
  }
};

export const notificationHandlers: HandlersOf<Glacier> = {
  /** "The Amazon SNS topic must grant permission to the vault to be allowed to publish": asked when there is something to tell. */
  async SetVaultNotifications(input, ctx) {
    const { SNSTopic: topic, Events: asked = [] } = input.vaultNotificationConfig ?? {};
    if (topic === undefined) throw invalidParameter('Invalid SNS topic ARN: null');
    checkTopic(topic);
    const unknown = asked.find((event) => !events.includes(event));
    if (unknown !== undefined || asked.length === 0) throw invalidParameter(`Invalid event: ${unknown ?? 'null'}`);
    await changeVault(ctx, input, (row) => ({ ...row, notification: { topic, events: [...new Set(asked)] } }));
    return {};
  },

  async GetVaultNotifications(input, ctx) {
    const at = atAccount(ctx, input);
    const { notification, name } = await requireVault(at, at, input);
    if (notification === undefined) throw notFound(`No notification configuration is set for vault: ${vaultArn(at, name)}`);
    return { vaultNotificationConfig: { SNSTopic: notification.topic, Events: [...notification.events] } };
  },

  async DeleteVaultNotifications(input, ctx) {
    await changeVault(ctx, input, (row) => ({ ...row, notification: undefined }));
    return {};
  },
};

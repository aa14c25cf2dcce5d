/** AddPermission and RemovePermission: statements of the queue's policy by label. Source: API Reference, AddPermission; the policy's form as AWS writes it. */
import type { SQS } from '@aws-sdk/client-sqs';
import type { AuthorisationsOf, HandlersOf } from '../../kernel/service.ts';
import { invalidValue, missingParameter, overLimit } from './errors.ts';
import { changeQueue, findQueue, onOwnQueue } from './lookup.ts';
import { statementsMax } from './rules.ts';
import { queueArn } from './urls.ts';

const actionsMax = 7;

/** Actions that may be shared; everything else is the owner's alone. */
const sharedActions = new Set([
  '*',
  'SendMessage',
  'ReceiveMessage',
  'DeleteMessage',
  'ChangeMessageVisibility',
  'GetQueueAttributes',
  'GetQueueUrl',
  'ListDeadLetterSourceQueues',
  'PurgeQueue',
]);
const ownActions = new Set([
  'AddPermission',
  'CancelMessageMoveTask',
  'CreateQueue',
  'DeleteQueue',
  'ListMessageMoveTasks',
  'ListQueues',
  'ListQueueTags',
  'RemovePermission',
  'SetQueueAttributes',
  'StartMessageMoveTask',
  'TagQueue',
  'UntagQueue',
]);

interface Statement {
  Sid?: string;
  [element: string]: unknown;
}

interface Policy {
  Version: string;
  Id?: string;
  Statement: Statement[];
}

function readPolicy(text: string | undefined, fallback: Policy): Policy {
  if (text === undefined) return fallback;
  const policy = JSON.parse(text) as Omit<Policy, 'Statement'> & { Statement: Statement | Statement[] };
  return { ...policy, Statement: Array.isArray(policy.Statement) ? policy.Statement : [policy.Statement] };
}

function checkLabel(label: string): void {
  if (!/^[A-Za-z0-9_-]{1,80}$/.test(label))
    throw invalidValue(label, 'Label', 'Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length.');
}

function checkActions(actions: readonly string[]): void {
  if (actions.length === 0) throw missingParameter('Actions');
  if (actions.length > actionsMax) throw overLimit(`${actions.length} Actions were found, maximum allowed is ${actionsMax}.`);
  for (const action of actions) {
    if (sharedActions.has(action)) continue;
    throw invalidValue(
      `SQS:${action}`,
      'ActionName',
      ownActions.has(action)
        ? 'Only the queue owner is allowed to invoke this action.'
        : 'Please refer to the appropriate WSDL for a list of valid actions.',
    );
  }
}

export const permissionHandlers: HandlersOf<SQS> = {
  async AddPermission({ QueueUrl, Label = '', AWSAccountIds = [], Actions = [] }, ctx) {
    const found = await findQueue(ctx, QueueUrl);
    checkLabel(Label);
    checkActions(Actions);
    if (AWSAccountIds.length === 0) throw missingParameter('AWSAccountIds');
    const wrong = AWSAccountIds.find((id) => !/^\d{12}$/.test(id));
    if (wrong !== undefined) throw invalidValue(`[${wrong}]`, 'PrincipalId', 'Unable to verify.');
    const one = (list: readonly string[]): string | readonly string[] => (list.length === 1 ? list[0]! : list);
    await changeQueue(found, (row) => {
      const arn = queueArn(found.scope, row.name);
      const policy = readPolicy(row.policy, { Version: '2008-10-17', Id: `${arn}/SQSDefaultPolicy`, Statement: [] });
      if (policy.Statement.some(({ Sid }) => Sid === Label)) throw invalidValue(Label, 'Label', 'Already exists.');
      if (policy.Statement.length >= statementsMax)
        throw overLimit(`${policy.Statement.length + 1} statements were found, maximum allowed is ${statementsMax}.`);
      const statement: Statement = {
        Sid: Label,
        Effect: 'Allow',
        Principal: { AWS: one(AWSAccountIds.map((id) => `arn:aws:iam::${id}:root`)) },
        Action: one(Actions.map((action) => `SQS:${action}`)),
        Resource: arn,
      };
      return { ...row, policy: JSON.stringify({ ...policy, Statement: [...policy.Statement, statement] }) };
    });
    return {};
  },

  async RemovePermission({ QueueUrl, Label = '' }, ctx) {
    const found = await findQueue(ctx, QueueUrl);
    await changeQueue(found, (row) => {
      const policy = row.policy === undefined ? undefined : readPolicy(row.policy, { Version: '', Statement: [] });
      if (policy?.Statement.some(({ Sid }) => Sid === Label) !== true)
        throw invalidValue(Label, 'Label', policy === undefined ? "can't find label." : "can't find label on existing policy.");
      const Statement = policy.Statement.filter(({ Sid }) => Sid !== Label);
      return { ...row, policy: Statement.length === 0 ? undefined : JSON.stringify({ ...policy, Statement }) };
    });
    return {};
  },
};

export const permissionChecks: AuthorisationsOf<SQS> = { AddPermission: onOwnQueue, RemovePermission: onOwnQueue };

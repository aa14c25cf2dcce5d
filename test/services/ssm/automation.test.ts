import { SSM } from '@aws-sdk/client-ssm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { advanceClock, eventually, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { fleet, needsMachines } from './support.ts';

let cloud: OwnCloud;

beforeAll(async () => {
  cloud = await startOwnCloud();
});

afterAll(async () => {
  await cloud?.stop();
});

/** Waits for an execution to end. */
function ended(ssm: SSM, AutomationExecutionId: string | undefined) {
  return eventually(
    async () => {
      const { AutomationExecution } = await ssm.getAutomationExecution({ AutomationExecutionId });
      expect(AutomationExecution?.AutomationExecutionStatus).not.toBe('InProgress');
      return AutomationExecution;
    },
    { timeoutMs: 60_000, why: 'the execution ends' },
  );
}

test('SSM-004 a runbook makes an image, from which instances start', { timeout: 120_000 }, async (context) => {
  needsMachines(context, cloud.limits);
  const { ssm, ec2, launch, managed, run } = await fleet(cloud.endpoint);
  const [id = ''] = await launch({});
  await managed([id]);
  await run(id, ['echo golden > /root/mark']);
  const Parameters = { InstanceId: [id] };
  const { AutomationExecutionId } = await ssm.startAutomationExecution({ DocumentName: 'AWS-CreateImage', Parameters });
  const execution = await ended(ssm, AutomationExecutionId);
  expect(execution).toMatchObject({ AutomationExecutionStatus: 'Success', DocumentName: 'AWS-CreateImage', Parameters });
  const ImageId = execution?.StepExecutions?.[0]?.Outputs?.['ImageId']?.[0] ?? '';
  expect(execution?.Outputs).toEqual({ 'createImage.ImageId': [ImageId] });
  const { Images } = await ec2.describeImages({ ImageIds: [ImageId], Owners: ['self'] });
  expect(Images?.[0]).toMatchObject({ State: 'available' });
  expect(Images?.[0]?.Name).toMatch(new RegExp(`^${id}_\\d{4}-`));
  const { Instances } = await ec2.runInstances({ ImageId, MinCount: 1, MaxCount: 1, IamInstanceProfile: { Name: 'node' } });
  const copy = Instances?.[0]?.InstanceId ?? '';
  await managed([copy]);
  expect((await run(copy, ['cat /root/mark'])).StandardOutputContent).toBe('golden\n');
});

const book = {
  schemaVersion: '0.3',
  assumeRole: '{{ AutomationAssumeRole }}',
  parameters: {
    Name: { type: 'String' },
    Kind: { type: 'String', default: 'small', allowedValues: ['small', 'large'] },
    AutomationAssumeRole: { type: 'String', default: '' },
  },
  mainSteps: [
    {
      name: 'make',
      action: 'aws:executeAwsApi',
      inputs: { Service: 'sqs', Api: 'CreateQueue', QueueName: '{{ Name }}', tags: { kind: '{{ Kind }}' } },
      outputs: [{ Name: 'Url', Selector: '$.QueueUrl', Type: 'String' }],
    },
    { name: 'rest', action: 'aws:sleep', inputs: { Duration: 'P7D' } },
    {
      name: 'choose',
      action: 'aws:branch',
      inputs: { Choices: [{ NextStep: 'check', Variable: '{{ Kind }}', StringEquals: 'large' }], Default: 'break' },
    },
    {
      name: 'check',
      action: 'aws:assertAwsResourceProperty',
      inputs: {
        Service: 'sqs',
        Api: 'GetQueueAttributes',
        QueueUrl: '{{ make.Url }}',
        AttributeNames: ['All'],
        PropertySelector: '$.Attributes.VisibilityTimeout',
        DesiredValues: ['30'],
      },
      isEnd: true,
    },
    { name: 'break', action: 'aws:executeAwsApi', inputs: { Service: 'sqs', Api: 'DeleteQueue', QueueUrl: 'http://x/nothing' } },
  ],
  outputs: ['make.Url'],
};

test('a runbook calls operations, waits by the clock, branches, and fails with the words of what failed', {
  timeout: 60_000,
}, async () => {
  const { ssm } = await fleet(cloud.endpoint);
  await ssm.createDocument({ Name: 'Book', DocumentType: 'Automation', Content: JSON.stringify(book) });
  const start = async (name: string, kind: string) =>
    (await ssm.startAutomationExecution({ DocumentName: 'Book', Parameters: { Name: [name], Kind: [kind] } }))
      .AutomationExecutionId;
  const [good, bad, stopped] = [await start('a', 'large'), await start('b', 'small'), await start('c', 'large')];
  const sleeping = async (AutomationExecutionId: string | undefined) =>
    eventually(
      async () => {
        const { AutomationExecution } = await ssm.getAutomationExecution({ AutomationExecutionId });
        expect(AutomationExecution).toMatchObject({ CurrentStepName: 'rest', CurrentAction: 'aws:sleep' });
      },
      { why: 'it sleeps' },
    );
  for (const id of [good, bad, stopped]) await sleeping(id);
  await ssm.stopAutomationExecution({ AutomationExecutionId: stopped });
  expect(await ended(ssm, stopped)).toMatchObject({ AutomationExecutionStatus: 'Cancelled' });
  await advanceClock(cloud.endpoint, 6 * 86_400_000);
  await sleeping(good);
  await advanceClock(cloud.endpoint, 1.1 * 86_400_000);
  const done = await ended(ssm, good);
  expect(done?.AutomationExecutionStatus, done?.FailureMessage).toBe('Success');
  expect(done?.Outputs?.['make.Url']?.[0]).toMatch(/\/a$/);
  const statusOf = (name: string) => done?.StepExecutions?.find(({ StepName }) => StepName === name)?.StepStatus;
  expect(['make', 'rest', 'choose', 'check', 'break'].map(statusOf)).toEqual([
    'Success',
    'Success',
    'Success',
    'Success',
    'Pending',
  ]);
  const failed = await ended(ssm, bad);
  expect(failed?.AutomationExecutionStatus).toBe('Failed');
  expect(failed?.FailureMessage).toMatch(/^Step break failed: .* The address http:\/\/x\/nothing is not valid/);
  const { AutomationExecutionMetadataList } = await ssm.describeAutomationExecutions({
    Filters: [{ Key: 'ExecutionStatus', Values: ['Failed'] }],
  });
  expect(AutomationExecutionMetadataList?.map(({ AutomationExecutionId }) => AutomationExecutionId)).toEqual([bad]);
});

test('a runbook has the rights of its role, or of who started it, and no more', { timeout: 60_000 }, async () => {
  const { ssm, iam, account } = await fleet(cloud.endpoint);
  const direct = { ...book, mainSteps: book.mainSteps.slice(0, 1) };
  await ssm.createDocument({ Name: 'Book', DocumentType: 'Automation', Content: JSON.stringify(direct) });
  const trust = { Effect: 'Allow', Principal: { Service: 'ssm.amazonaws.com' }, Action: 'sts:AssumeRole' };
  const AssumeRolePolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement: [trust] });
  const { Role } = await iam.createRole({ RoleName: 'maker', AssumeRolePolicyDocument });
  const document = (Action: string[]) =>
    JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action, Resource: '*' }] });
  await iam.createUser({ UserName: 'starter' });
  await iam.putUserPolicy({ UserName: 'starter', PolicyName: 'p', PolicyDocument: document(['ssm:*']) });
  const { AccessKey } = await iam.createAccessKey({ UserName: 'starter' });
  const starter = new SSM(account.configFor(AccessKey ?? {}));
  const start = (Name: string, role?: string) =>
    starter.startAutomationExecution({
      DocumentName: 'Book',
      Parameters: { Name: [Name], ...(role === undefined ? {} : { AutomationAssumeRole: [role] }) },
    });
  const own = await ended(ssm, (await start('a')).AutomationExecutionId);
  expect(own?.FailureMessage).toMatch(/user\/starter is not authorized to perform: sqs:createqueue/i);
  await refused(start('b', Role?.Arn), 'AccessDeniedException', /iam:PassRole/);
  await iam.putUserPolicy({ UserName: 'starter', PolicyName: 'pass', PolicyDocument: document(['iam:PassRole']) });
  const poor = await ended(ssm, (await start('b', Role?.Arn)).AutomationExecutionId);
  expect(poor?.FailureMessage).toMatch(/assumed-role\/maker\/Automation-/);
  await iam.putRolePolicy({ RoleName: 'maker', PolicyName: 'p', PolicyDocument: document(['sqs:*']) });
  const rich = await ended(ssm, (await start('b', Role?.Arn)).AutomationExecutionId);
  expect(rich?.AutomationExecutionStatus, rich?.FailureMessage).toBe('Success');
  await refused(
    start('c', `arn:aws:iam::${account.id}:role/node`),
    'InvalidAutomationExecutionParametersException',
    'The defined assume role is unable to be assumed.',
  );
});

test('executions and runbooks that make no sense are refused', async () => {
  const { ssm } = await fleet(cloud.endpoint);
  const start = (DocumentName: string, Parameters: Record<string, string[]> = {}) =>
    ssm.startAutomationExecution({ DocumentName, Parameters });
  await refused(start('Nothing'), 'AutomationDefinitionNotFoundException');
  await refused(start('AWS-RunShellScript', { commands: ['id'] }), 'AutomationDefinitionNotFoundException');
  await refused(start('AWS-CreateImage'), 'InvalidAutomationExecutionParametersException', /InstanceId/);
  await refused(ssm.startAutomationExecution({ DocumentName: 'AWS-CreateImage', Mode: 'Interactive' }), 'NotImplemented');
  const AutomationExecutionId = '00000000-0000-0000-0000-000000000000';
  await refused(ssm.getAutomationExecution({ AutomationExecutionId }), 'AutomationExecutionNotFoundException');
  await refused(ssm.stopAutomationExecution({ AutomationExecutionId }), 'AutomationExecutionNotFoundException');
  const make = (mainSteps: unknown[], schemaVersion = '0.3') =>
    ssm.createDocument({ Name: 'Book', DocumentType: 'Automation', Content: JSON.stringify({ schemaVersion, mainSteps }) });
  await refused(make([]), 'InvalidDocumentContent', 'The document has no steps.');
  await refused(make([{ name: 'a', action: 'aws:approve', inputs: {} }]), 'InvalidDocumentContent', /aws:approve/);
  await refused(make([{ name: 'a', action: 'aws:sleep', inputs: {}, onCancel: 'x' }]), 'InvalidDocumentContent', /onCancel/);
  await refused(make([{ name: 'a', action: 'aws:sleep', inputs: {} }], '2.2'), 'InvalidDocumentContent', /schemaVersion/);
});

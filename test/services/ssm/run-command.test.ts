import { randomUUID } from 'node:crypto';
import { CloudWatchLogs } from '@aws-sdk/client-cloudwatch-logs';
import { S3 } from '@aws-sdk/client-s3';
import { SSM } from '@aws-sdk/client-ssm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { advanceClock, eventually, type OwnCloud, refused, startOwnCloud } from '../../support/cloud.ts';
import { fleet, needsMachines } from './support.ts';

const DocumentName = 'AWS-RunShellScript';
let cloud: OwnCloud;

beforeAll(async () => {
  cloud = await startOwnCloud();
});

afterAll(async () => {
  await cloud?.stop();
});

test('a command reaches all instances of a tag, with output and exit code of each', { timeout: 120_000 }, async (context) => {
  needsMachines(context, cloud.limits);
  const { ssm, launch, managed, ended, run, account, ec2 } = await fleet(cloud.endpoint);
  const [web1 = '', web2 = ''] = await launch({ role: 'web' }, { count: 2 });
  const [db = ''] = await launch({ role: 'db', Name: 'the database' });
  const list = await managed([web1, web2, db]);
  const shown = list.find(({ InstanceId }) => InstanceId === web1);
  expect(shown).toMatchObject({ PlatformType: 'Linux', ResourceType: 'EC2Instance', PingStatus: 'Online' });
  expect(shown?.IPAddress).toMatch(/^172\.31\./);
  const filtered = await ssm.describeInstanceInformation({ Filters: [{ Key: 'tag:role', Values: ['db'] }] });
  expect(filtered.InstanceInformationList?.map(({ InstanceId }) => InstanceId)).toEqual([db]);

  const { Command } = await ssm.sendCommand({
    DocumentName,
    Targets: [{ Key: 'tag:role', Values: ['web'] }],
    Parameters: { commands: ['hostname -I', 'echo warning >&2', 'id -u'], workingDirectory: ['/tmp'] },
    Comment: 'who is there',
  });
  expect(Command).toMatchObject({ Status: 'Pending', TargetCount: 2, DocumentName, Comment: 'who is there' });
  const addresses = new Set<string>();
  for (const id of [web1, web2]) {
    const told = await ended(Command?.CommandId, id);
    expect(told).toMatchObject({ Status: 'Success', ResponseCode: 0, PluginName: 'aws:runShellScript' });
    expect(told.StandardErrorContent).toBe('warning\n');
    const [address = '', user] = told.StandardOutputContent?.split('\n') ?? [];
    expect(user).toBe('0');
    addresses.add(address.trim());
  }
  expect(addresses.size).toBe(2);
  await refused(ssm.getCommandInvocation({ CommandId: Command?.CommandId, InstanceId: db }), 'InvocationDoesNotExist');
  const all = await eventually(
    async () => {
      const { Commands } = await ssm.listCommands({ CommandId: Command?.CommandId });
      expect(Commands?.[0]?.Status).toBe('Success');
      return Commands?.[0];
    },
    { why: 'the command is over' },
  );
  expect(all).toMatchObject({ TargetCount: 2, CompletedCount: 2, ErrorCount: 0 });
  const detailed = await ssm.listCommandInvocations({ CommandId: Command?.CommandId, Details: true });
  expect(detailed.CommandInvocations?.length).toBe(2);
  expect(detailed.CommandInvocations?.[0]?.CommandPlugins?.[0]?.Output).toMatch(/----------ERROR-------\nwarning/);

  const failed = await run(db, ['echo before', 'exit 3']);
  expect(failed).toMatchObject({ Status: 'Failed', ResponseCode: 3, StandardOutputContent: 'before\n' });
  expect(failed.StandardErrorContent).toBe('failed to run commands: exit status 3');
  const bash = await run(db, ['#!/bin/bash', 'a=(1 2 3)', 'echo $' + '{#a[@]}']);
  expect(bash.StandardOutputContent).toBe('3\n');
  // What a command did stays: the next one sees it. A flood of output is cut, and harms nobody.
  await run(db, ['echo kept > /root/kept']);
  expect((await run(db, ['cat /root/kept'])).StandardOutputContent).toBe('kept\n');
  const flood = await run(db, ['head -c 50000000 /dev/zero | tr "\\0" x']);
  expect(flood).toMatchObject({ Status: 'Success' });
  expect(flood.StandardOutputContent?.length).toBe(24_000);

  const none = await ssm.sendCommand({
    DocumentName,
    Targets: [{ Key: 'tag:role', Values: ['none'] }],
    Parameters: { commands: ['id'] },
  });
  expect(none.Command).toMatchObject({ StatusDetails: 'NoInstancesInTag', TargetCount: 0 });
  await ec2.stopInstances({ InstanceIds: [web2] });
  await eventually(
    async () => {
      const { InstanceInformationList: now = [] } = await ssm.describeInstanceInformation({});
      expect(now.find(({ InstanceId }) => InstanceId === web2)?.PingStatus).toBe('ConnectionLost');
    },
    { timeoutMs: 60_000, why: 'the stopped instance is silent' },
  );
  await refused(
    ssm.sendCommand({ DocumentName, InstanceIds: [web2], Parameters: { commands: ['id'] } }),
    'InvalidInstanceId',
    `Instances [[${web2}]] not in a valid state for account ${account.id}`,
  );
});

test('an instance without role, without rights or without a way to the endpoint is not managed', {
  timeout: 120_000,
}, async (context) => {
  needsMachines(context, cloud.limits);
  const { ssm, launch, managed, account, ec2, iam } = await fleet(cloud.endpoint);
  const trust = { Effect: 'Allow', Principal: { Service: 'ec2.amazonaws.com' }, Action: 'sts:AssumeRole' };
  const AssumeRolePolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement: [trust] });
  await iam.createRole({ RoleName: 'poor', AssumeRolePolicyDocument });
  await iam.createInstanceProfile({ InstanceProfileName: 'poor' });
  await iam.addRoleToInstanceProfile({ InstanceProfileName: 'poor', RoleName: 'poor' });
  const { Vpc } = await ec2.createVpc({ CidrBlock: '10.9.0.0/16' });
  const { Subnet } = await ec2.createSubnet({ VpcId: Vpc?.VpcId, CidrBlock: '10.9.1.0/24' });
  const [bare = ''] = await launch({}, { profile: '' });
  const [poor = ''] = await launch({}, { profile: 'poor' });
  const [lonely = ''] = await launch({}, { subnet: Subnet?.SubnetId ?? '' });
  const [good = ''] = await launch({});
  const list = await managed([good]);
  expect(list.map(({ InstanceId }) => InstanceId)).toEqual([good]);
  for (const id of [bare, poor, lonely])
    await refused(
      ssm.sendCommand({ DocumentName, InstanceIds: [id], Parameters: { commands: ['id'] } }),
      'InvalidInstanceId',
      `Instances [[${id}]] not in a valid state for account ${account.id}`,
    );
  // The role gets its rights: at its next attempt the agent reports.
  await iam.attachRolePolicy({ RoleName: 'poor', PolicyArn: 'arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore' });
  await advanceClock(cloud.endpoint, 60_000);
  await managed([good, poor]);
});

test('commands end by their time limit, by CancelCommand and by too many errors', { timeout: 120_000 }, async (context) => {
  needsMachines(context, cloud.limits);
  const { ssm, launch, managed, ended, run } = await fleet(cloud.endpoint);
  const ids = await launch({ role: 'web' }, { count: 3 });
  const [one = ''] = ids;
  await managed(ids);
  const inProgress = async (CommandId: string | undefined) =>
    eventually(
      async () => {
        const { StandardOutputContent, Status } = await ssm.getCommandInvocation({ CommandId, InstanceId: one });
        expect(Status, StandardOutputContent).toBe('InProgress');
      },
      { why: 'the command runs' },
    );
  const sleep = {
    DocumentName,
    InstanceIds: [one],
    Parameters: { commands: ['echo begun', 'sleep 1000'], executionTimeout: ['600'] },
  };
  const slow = await ssm.sendCommand(sleep);
  await inProgress(slow.Command?.CommandId);
  await eventually(async () => expect((await run(one, ['pgrep -fc "sleep [1]000"'])).StandardOutputContent).toBe('1\n'), {
    why: 'it sleeps',
  });
  await advanceClock(cloud.endpoint, 601_000);
  const late = await ended(slow.Command?.CommandId, one);
  expect(late).toMatchObject({
    Status: 'TimedOut',
    StatusDetails: 'ExecutionTimedOut',
    ResponseCode: -1,
    StandardOutputContent: 'begun\n',
  });
  expect((await run(one, ['pgrep -fc "sleep [1]000"'])).StandardOutputContent).toBe('0\n');

  const other = await ssm.sendCommand(sleep);
  await inProgress(other.Command?.CommandId);
  await ssm.cancelCommand({ CommandId: other.Command?.CommandId });
  expect(await ended(other.Command?.CommandId, one)).toMatchObject({ Status: 'Cancelled' });
  expect((await ssm.listCommands({ CommandId: other.Command?.CommandId })).Commands?.[0]?.Status).toBe('Cancelled');

  // One after the other; the first failure is one too many, so the others do not begin.
  const careful = await ssm.sendCommand({
    DocumentName,
    Targets: [{ Key: 'tag:role', Values: ['web'] }],
    Parameters: { commands: ['false'] },
    MaxConcurrency: '1',
    MaxErrors: '0',
  });
  const command = await eventually(
    async () => {
      const { Commands } = await ssm.listCommands({ CommandId: careful.Command?.CommandId });
      expect(Commands?.[0]?.Status).toBe('Failed');
      return Commands?.[0];
    },
    { timeoutMs: 30_000, why: 'the command has failed' },
  );
  expect(command).toMatchObject({ ErrorCount: 1, CompletedCount: 3, TargetCount: 3 });
  const { CommandInvocations = [] } = await ssm.listCommandInvocations({ CommandId: careful.Command?.CommandId });
  expect(CommandInvocations.map(({ StatusDetails }) => StatusDetails).sort()).toEqual(['Failed', 'Terminated', 'Terminated']);
});

test('output goes to a bucket and a log group by the rights of the instance', { timeout: 120_000 }, async (context) => {
  needsMachines(context, cloud.limits);
  const { ssm, launch, managed, run, account, iam } = await fleet(cloud.endpoint);
  const [s3, logs] = [new S3(account.config()), new CloudWatchLogs(account.config())];
  const Bucket = `out-${randomUUID()}`;
  await s3.createBucket({ Bucket });
  const [id = ''] = await launch({});
  await managed([id]);
  const more = {
    OutputS3BucketName: Bucket,
    OutputS3KeyPrefix: 'runs',
    CloudWatchOutputConfig: { CloudWatchOutputEnabled: true },
  };
  // The core policy lets the agent work, not write into the account's buckets.
  expect((await run(id, ['echo hello'], more)).Status).toBe('Success');
  expect((await s3.listObjectsV2({ Bucket })).KeyCount).toBe(0);
  const allow = { Effect: 'Allow', Action: ['s3:PutObject', 'logs:*'], Resource: '*' };
  const PolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement: [allow] });
  await iam.putRolePolicy({ RoleName: 'node', PolicyName: 'out', PolicyDocument });
  const told = await run(id, ['echo hello', 'seq 1 20000'], more);
  const Key = `runs/${told.CommandId}/${id}/awsrunShellScript/0.awsrunShellScript/stdout`;
  const body = await (await s3.getObject({ Bucket, Key })).Body?.transformToString();
  expect(body?.split('\n').length).toBe(20_002);
  expect(told.StandardOutputUrl).toContain(Key);
  const { events = [] } = await logs.getLogEvents({
    logGroupName: '/aws/ssm/AWS-RunShellScript',
    logStreamName: `${told.CommandId}/${id}/aws-runShellScript/stdout`,
    startFromHead: true,
    limit: 2,
  });
  expect(events.map(({ message }) => message)).toEqual(['hello', '1']);
  expect((await ssm.listCommands({ InstanceId: id })).Commands?.length).toBe(2);
});

test('documents have versions, parameters and refusals; one of the account’s own runs', { timeout: 120_000 }, async (context) => {
  const { ssm, launch, managed, account } = await fleet(cloud.endpoint);
  const content = (word: string) => ({
    schemaVersion: '2.2',
    description: 'Greets.',
    parameters: { who: { type: 'String', default: 'world', allowedPattern: '^[a-z]+$' }, greeting: { type: 'String' } },
    mainSteps: [
      { action: 'aws:runShellScript', name: 'greet', inputs: { runCommand: ['echo {{ greeting }} {{ who }}', `echo ${word}`] } },
      { action: 'aws:runShellScript', name: 'fail', inputs: { runCommand: ['exit 9'] }, onFailure: 'exit' },
      { action: 'aws:runShellScript', name: 'never', inputs: { runCommand: ['echo never'] } },
    ],
  });
  const made = await ssm.createDocument({ Name: 'Greet', Content: JSON.stringify(content('one')), DocumentType: 'Command' });
  expect(made.DocumentDescription).toMatchObject({
    Name: 'Greet',
    DocumentVersion: '1',
    SchemaVersion: '2.2',
    Owner: account.id,
  });
  await refused(
    ssm.createDocument({ Name: 'Greet', Content: JSON.stringify(content('one')) }),
    'DocumentAlreadyExists',
    'Document with same name Greet already exists',
  );
  await refused(ssm.createDocument({ Name: 'AWS-Greet', Content: JSON.stringify(content('x')) }), 'InvalidDocumentOperation');
  await refused(ssm.createDocument({ Name: 'Broken', Content: '{' }), 'InvalidDocumentContent', /well-formed JSON/);
  const strange = { schemaVersion: '2.2', mainSteps: [{ action: 'aws:runDocument', name: 'a', inputs: {} }] };
  await refused(
    ssm.createDocument({ Name: 'Strange', Content: JSON.stringify(strange) }),
    'InvalidDocumentContent',
    /aws:runDocument/,
  );
  await refused(ssm.describeDocument({ Name: 'Nothing' }), 'InvalidDocument', 'Document with name Nothing does not exist.');
  const second = await ssm.updateDocument({ Name: 'Greet', Content: JSON.stringify(content('two')), DocumentVersion: '$LATEST' });
  expect(second.DocumentDescription).toMatchObject({ DocumentVersion: '2', LatestVersion: '2', DefaultVersion: '1' });
  expect((await ssm.getDocument({ Name: 'Greet' })).Content).toContain('echo one');
  expect((await ssm.getDocument({ Name: 'Greet', DocumentVersion: '$LATEST' })).Content).toContain('echo two');
  await ssm.updateDocumentDefaultVersion({ Name: 'Greet', DocumentVersion: '2' });
  await refused(ssm.getDocument({ Name: 'Greet', DocumentVersion: '7' }), 'InvalidDocumentVersion');
  const own = await ssm.listDocuments({ Filters: [{ Key: 'Owner', Values: ['Self'] }] });
  expect(own.DocumentIdentifiers?.map(({ Name, DocumentVersion }) => [Name, DocumentVersion])).toEqual([['Greet', '2']]);
  const provided = await ssm.describeDocument({ Name: 'AWS-RunShellScript' });
  expect(provided.Document).toMatchObject({ Owner: 'Amazon', SchemaVersion: '1.2', PlatformTypes: ['Linux', 'MacOS'] });
  needsMachines(context, cloud.limits);
  const [id = ''] = await launch({});
  await managed([id]);
  const InstanceIds = [id];
  const { Command } = await ssm.sendCommand({ DocumentName: 'Greet', InstanceIds, Parameters: { greeting: ['hello'] } });
  const CommandId = Command?.CommandId;
  await eventually(async () => expect((await ssm.listCommands({ CommandId })).Commands?.[0]?.Status).toBe('Failed'), {
    timeoutMs: 30_000,
    why: 'the document has run',
  });
  const plugin = (PluginName: string) => ssm.getCommandInvocation({ CommandId, InstanceId: id, PluginName });
  expect(await plugin('greet')).toMatchObject({ Status: 'Success', StandardOutputContent: 'hello world\ntwo\n' });
  expect(await plugin('fail')).toMatchObject({ Status: 'Failed', ResponseCode: 9 });
  await refused(plugin('never'), 'InvalidPluginName');
  const send = (Parameters: Record<string, string[]>) => ssm.sendCommand({ DocumentName: 'Greet', InstanceIds, Parameters });
  await refused(send({}), 'InvalidParameters', /greeting/);
  await refused(send({ greeting: ['a'], other: ['b'] }), 'InvalidParameters', /other/);
  await refused(send({ greeting: ['a'], who: ['$(id)'] }), 'InvalidParameters', /who/);
  await refused(
    ssm.sendCommand({ DocumentName: 'AWS-RunPowerShellScript', InstanceIds, Parameters: { commands: ['Get-Date'] } }),
    'UnsupportedPlatformType',
  );
  await refused(
    ssm.sendCommand({ DocumentName, Parameters: { commands: ['id'] } }),
    'ValidationException',
    /Either InstanceIds or Targets/,
  );
  await refused(
    ssm.sendCommand({ DocumentName, InstanceIds, Parameters: { commands: ['id'] }, TimeoutSeconds: 5 }),
    'ValidationException',
  );
  await refused(ssm.cancelCommand({ CommandId: randomUUID() }), 'InvalidCommandId');
  await refused(
    ssm.sendCommand({ DocumentName, InstanceIds, Parameters: { commands: ['id'] }, DocumentHash: 'x' }),
    'NotImplemented',
  );
  await ssm.deleteDocument({ Name: 'Greet' });
  await refused(ssm.getDocument({ Name: 'Greet' }), 'InvalidDocument');
});

test('who may send commands is asked about the document and each instance', { timeout: 120_000 }, async (context) => {
  needsMachines(context, cloud.limits);
  const { ssm, launch, managed, account, iam } = await fleet(cloud.endpoint);
  const [web = '', db = ''] = [...(await launch({ role: 'web' })), ...(await launch({ role: 'db' }))];
  await managed([web, db]);
  await iam.createUser({ UserName: 'operator' });
  const Statement = [
    { Effect: 'Allow', Action: 'ssm:SendCommand', Resource: 'arn:aws:ssm:*:*:document/AWS-RunShellScript' },
    {
      Effect: 'Allow',
      Action: 'ssm:SendCommand',
      Resource: 'arn:aws:ec2:*:*:instance/*',
      Condition: { StringEquals: { 'ssm:resourceTag/role': 'web' } },
    },
  ];
  await iam.putUserPolicy({
    UserName: 'operator',
    PolicyName: 'p',
    PolicyDocument: JSON.stringify({ Version: '2012-10-17', Statement }),
  });
  const { AccessKey } = await iam.createAccessKey({ UserName: 'operator' });
  const operator = new SSM(account.configFor(AccessKey ?? {}));
  const send = (id: string) => operator.sendCommand({ DocumentName, InstanceIds: [id], Parameters: { commands: ['id'] } });
  expect((await send(web)).Command?.TargetCount).toBe(1);
  await refused(send(db), 'AccessDeniedException', /ssm:SendCommand/);
  await refused(operator.listCommands({}), 'AccessDeniedException');
  await ssm.createDocument({
    Name: 'Mine',
    Content: JSON.stringify({
      schemaVersion: '2.2',
      mainSteps: [{ action: 'aws:runShellScript', name: 'a', inputs: { runCommand: ['id'] } }],
    }),
  });
  await refused(operator.sendCommand({ DocumentName: 'Mine', InstanceIds: [web] }), 'AccessDeniedException', /document\/Mine/);
});

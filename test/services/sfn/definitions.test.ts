import { beforeAll, describe, expect, test } from 'vitest';
import { refused } from '../../support/cloud.ts';
import { ended, type Flows, flows, machineOf, only, roleFor, runOnce } from './support.ts';

let all: Flows;
let role: string;

beforeAll(async () => {
  all = flows();
  role = await roleFor(all);
});

const pass = { Type: 'Pass', End: true };
const jsonata = (state: object) => ({ QueryLanguage: 'JSONata', StartAt: 'A', States: { A: state } });

const problems: [string, object, string][] = [
  [
    'a Next to an unknown state',
    { StartAt: 'A', States: { A: { Type: 'Pass', Next: 'B' } } },
    "MISSING_TRANSITION_TARGET: Missing 'Next' target: B at /States/A/Next, MISSING_END_STATE: Workflow has no terminal state at null",
  ],
  [
    'a StartAt that is no state',
    { StartAt: 'X', States: { A: pass } },
    'MISSING_TRANSITION_TARGET: Missing \'Next\' target: X at /StartAt, MISSING_TRANSITION_TARGET: State "A" is not reachable. at /States/A',
  ],
  [
    'a state that nothing leads to',
    { StartAt: 'A', States: { A: pass, C: pass } },
    'MISSING_TRANSITION_TARGET: State "C" is not reachable. at /States/C',
  ],
  [
    'no end',
    { StartAt: 'A', States: { A: { Type: 'Pass', Next: 'A' } } },
    'MISSING_END_STATE: Workflow has no terminal state at null',
  ],
  [
    'a Catch that leads nowhere',
    {
      StartAt: 'A',
      States: {
        A: {
          Type: 'Parallel',
          Branches: [{ StartAt: 'B', States: { B: pass } }],
          Catch: [{ ErrorEquals: ['States.ALL'], Next: 'Z' }],
          End: true,
        },
      },
    },
    "MISSING_TRANSITION_TARGET: Missing 'Next' target: Z at /States/A/Catch[0]/Next",
  ],
  ['no states', { StartAt: 'A' }, 'SCHEMA_VALIDATION_FAILED: These fields are required: [States] at /'],
  ['nothing', {}, 'SCHEMA_VALIDATION_FAILED: These fields are required: [States, StartAt] at /'],
  [
    'a timeout of a Map',
    {
      StartAt: 'M',
      States: { M: { Type: 'Map', TimeoutSeconds: 1, ItemProcessor: { StartAt: 'B', States: { B: pass } }, End: true } },
    },
    "SCHEMA_VALIDATION_FAILED: Field 'TimeoutSeconds' is not supported at /States/M",
  ],
  [
    'a Catch of a Pass',
    only({ Type: 'Pass', Catch: [] }),
    "SCHEMA_VALIDATION_FAILED: Field 'Catch' is not supported at /States/Only",
  ],
  [
    'a rule without Next',
    { StartAt: 'C', States: { C: { Type: 'Choice', Choices: [{ Variable: '$', IsNull: true }], Default: 'A' }, A: pass } },
    'SCHEMA_VALIDATION_FAILED: These fields are required: [Next] at /States/C/Choices[0]',
  ],
  [
    'JSONPath under JSONata',
    jsonata({ ...pass, QueryLanguage: 'JSONPath' }),
    "SCHEMA_VALIDATION_FAILED: 'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine at /States/A",
  ],
  [
    'Output in JSONPath',
    only({ Type: 'Pass', Output: 1 }),
    "SCHEMA_VALIDATION_FAILED: The QueryLanguage is set to 'JSONPath', but field 'Output' is only supported for the 'JSONata' QueryLanguage at /States/Only",
  ],
  [
    'an expression that does not parse',
    jsonata({ ...pass, Output: '{% 1 + %}' }),
    'INVALID_JSONATA_EXPRESSION: Unexpected end of expression at /States/A/Output',
  ],
  [
    'a resource that nobody knows',
    only({ Type: 'Task', Resource: 'arn:aws:states:::aws-sdk:nothing:do' }),
    'SCHEMA_VALIDATION_FAILED: The resource provided arn:aws:states:::aws-sdk:nothing:do is not recognized. The value is not a valid resource ARN, or the resource is not available in this region. at /States/Only/Resource',
  ],
  [
    'a container task, which this cloud has not',
    only({ Type: 'Task', Resource: 'arn:aws:states:::ecs:runTask.sync' }),
    'SCHEMA_VALIDATION_FAILED: The resource provided arn:aws:states:::ecs:runTask.sync is not recognized. The value is not a valid resource ARN, or the resource is not available in this region. at /States/Only/Resource',
  ],
  [
    'a path that is none',
    only({ Type: 'Pass', Parameters: { 'a.$': 'x' } }),
    "SCHEMA_VALIDATION_FAILED: The value for the field 'a.$' must be a valid JSONPath or a valid intrinsic function call at /States/Only/Parameters",
  ],
];

test.each(problems)('SFN-005 a definition with %s is refused in the words of the schema', async (_name, definition, words) => {
  await refused(machineOf(all, role, definition), 'InvalidDefinition', `Invalid State Machine Definition: '${words}'`, 400);
  const { result, diagnostics = [] } = await all.sfn.validateStateMachineDefinition({ definition: JSON.stringify(definition) });
  expect(result).toBe('FAIL');
  expect(diagnostics.map(({ code, message, location }) => `${code}: ${message} at ${location ?? 'null'}`).join(', ')).toBe(words);
});

test('a text that is no JSON is told where', async () => {
  const { diagnostics } = await all.sfn.validateStateMachineDefinition({ definition: 'not a definition' });
  const place = '[Source: (String)"not a definition"; line: 1, column: 4]';
  expect(diagnostics).toEqual([
    {
      severity: 'ERROR',
      code: 'INVALID_JSON_DESCRIPTION',
      location: place,
      message: `Unrecognized token 'not': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')\n at ${place}`,
    },
  ]);
  expect(await all.sfn.validateStateMachineDefinition({ definition: JSON.stringify(only({ Type: 'Pass' })) })).toMatchObject({
    result: 'OK',
    diagnostics: [],
    truncated: false,
  });
  const waits = only({ Type: 'Task', Resource: 'arn:aws:states:::sqs:sendMessage.waitForTaskToken', Parameters: {} });
  expect(
    (await all.sfn.validateStateMachineDefinition({ definition: JSON.stringify(waits), type: 'EXPRESS' })).diagnostics?.[0]
      ?.message,
  ).toBe("Express state machine does not support '.waitForTaskToken' service integration ");
});

describe('a machine', () => {
  const definition = JSON.stringify(only({ Type: 'Pass', Result: 1 }));

  test('is made once: the same again is answered, another of its name refused', async () => {
    const first = await all.sfn.createStateMachine({
      name: 'once',
      definition,
      roleArn: role,
      tags: [{ key: 'team', value: 'a' }],
    });
    expect(first.stateMachineArn).toBe(`arn:aws:states:us-east-1:${all.account.id}:stateMachine:once`);
    const again = await all.sfn.createStateMachine({ name: 'once', definition, roleArn: role });
    expect(again.creationDate).toEqual(first.creationDate);
    await refused(
      machineOf(all, role, only({ Type: 'Pass', Result: 2 }), { name: 'once' }),
      'StateMachineAlreadyExists',
      `State Machine Already Exists: '${first.stateMachineArn}'`,
    );
    await refused(machineOf(all, role, {}, { name: 'a b' }), 'InvalidName', "Invalid Name: 'a b'");
    expect(await all.sfn.describeStateMachine({ stateMachineArn: first.stateMachineArn })).toMatchObject({
      name: 'once',
      status: 'ACTIVE',
      type: 'STANDARD',
      definition,
      roleArn: role,
      loggingConfiguration: { level: 'OFF', includeExecutionData: false },
      tracingConfiguration: { enabled: false },
    });
    const resourceArn = first.stateMachineArn;
    expect((await all.sfn.listTagsForResource({ resourceArn })).tags).toEqual([{ key: 'team', value: 'a' }]);
    await all.sfn.tagResource({ resourceArn, tags: [{ key: 'b', value: '2' }] });
    await all.sfn.untagResource({ resourceArn, tagKeys: ['team'] });
    expect((await all.sfn.listTagsForResource({ resourceArn })).tags).toEqual([{ key: 'b', value: '2' }]);
    await all.sfn.deleteStateMachine({ stateMachineArn: first.stateMachineArn });
    await all.sfn.deleteStateMachine({ stateMachineArn: first.stateMachineArn });
    await refused(
      all.sfn.describeStateMachine({ stateMachineArn: first.stateMachineArn }),
      'StateMachineDoesNotExist',
      `State Machine Does Not Exist: '${first.stateMachineArn}'`,
    );
    await refused(all.sfn.describeStateMachine({ stateMachineArn: 'nothing' }), 'InvalidArn', "Invalid Arn: 'nothing'");
  });

  test('what this cloud has not is refused by name', async () => {
    await refused(
      machineOf(all, role, only({ Type: 'Pass' }), { tracingConfiguration: { enabled: true } }),
      'NotImplemented',
      /tracingConfiguration/,
    );
    await refused(
      machineOf(all, role, only({ Type: 'Pass' }), { loggingConfiguration: { level: 'ALL' } }),
      'InvalidLoggingConfiguration',
    );
  });

  test('has versions that never change and aliases that share executions out', async () => {
    const { stateMachineArn = '', stateMachineVersionArn } = await all.sfn.createStateMachine({
      name: 'versioned',
      definition,
      roleArn: role,
      publish: true,
    });
    expect(stateMachineVersionArn).toBe(`${stateMachineArn}:1`);
    await refused(
      all.sfn.createStateMachine({ name: 'v', definition, roleArn: role, versionDescription: 'x' }),
      'ValidationException',
      'Version description can only be set when publish is true',
    );
    const second = JSON.stringify(only({ Type: 'Pass', Result: 2 }));
    const { revisionId = '' } = await all.sfn.updateStateMachine({ stateMachineArn, definition: second });
    await refused(
      all.sfn.publishStateMachineVersion({ stateMachineArn, revisionId: 'other' }),
      'ConflictException',
      `Failed to publish the State Machine version for revision other. The current State Machine revision is ${revisionId}.`,
    );
    expect((await all.sfn.publishStateMachineVersion({ stateMachineArn, revisionId })).stateMachineVersionArn).toBe(
      `${stateMachineArn}:2`,
    );
    expect((await all.sfn.publishStateMachineVersion({ stateMachineArn })).stateMachineVersionArn).toBe(`${stateMachineArn}:2`);
    const { stateMachineVersions = [] } = await all.sfn.listStateMachineVersions({ stateMachineArn });
    expect(stateMachineVersions.map((version) => version.stateMachineVersionArn)).toEqual([
      `${stateMachineArn}:2`,
      `${stateMachineArn}:1`,
    ]);
    const route = (version: number, weight: number) => ({ stateMachineVersionArn: `${stateMachineArn}:${version}`, weight });
    await refused(
      all.sfn.createStateMachineAlias({ name: 'live', routingConfiguration: [route(1, 70), route(2, 29)] }),
      'ValidationException',
      'Sum of routing configuration weights must equal 100. Received: [70, 29]',
    );
    await refused(
      all.sfn.createStateMachineAlias({ name: '123', routingConfiguration: [route(1, 100)] }),
      'ValidationException',
      /Value '123' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern/,
    );
    const { stateMachineAliasArn = '' } = await all.sfn.createStateMachineAlias({
      name: 'live',
      routingConfiguration: [route(1, 100)],
    });
    expect((await runOnce(all, stateMachineAliasArn)).output).toBe(1);
    await all.sfn.updateStateMachineAlias({ stateMachineAliasArn, routingConfiguration: [route(1, 0), route(2, 100)] });
    const { executionArn = '' } = await all.sfn.startExecution({ stateMachineArn: stateMachineAliasArn });
    expect((await ended(all, executionArn)).output).toBe(2);
    expect(await all.sfn.describeExecution({ executionArn })).toMatchObject({
      stateMachineAliasArn,
      stateMachineVersionArn: `${stateMachineArn}:2`,
    });
    await refused(
      all.sfn.deleteStateMachineVersion({ stateMachineVersionArn: `${stateMachineArn}:2` }),
      'ConflictException',
      'Version to be deleted must not be referenced by an alias. Current list of aliases referencing this version: [live]',
    );
    await all.sfn.deleteStateMachineAlias({ stateMachineAliasArn });
    await all.sfn.deleteStateMachineVersion({ stateMachineVersionArn: `${stateMachineArn}:2` });
    await refused(
      all.sfn.startExecution({ stateMachineArn: `${stateMachineArn}:2` }),
      'StateMachineDoesNotExist',
      `State Machine Does Not Exist: '${stateMachineArn}:2'`,
    );
  });
});

describe('an execution', () => {
  test('is started once by its name, listed, and its pages turned', async () => {
    const arn = await machineOf(all, role, only({ Type: 'Wait', Seconds: 900 }));
    const first = await all.sfn.startExecution({ stateMachineArn: arn, name: 'one', input: '{"a":1}' });
    const again = await all.sfn.startExecution({ stateMachineArn: arn, name: 'one', input: '{"a":1}' });
    expect([again.executionArn, again.startDate]).toEqual([first.executionArn, first.startDate]);
    const input = '{"a":1}';
    const many = await Promise.all(
      Array.from({ length: 5 }, () => all.sfn.startExecution({ stateMachineArn: arn, name: 'zero', input })),
    );
    expect(new Set(many.map(({ startDate }) => startDate?.getTime())).size).toBe(1);
    const begun = await all.sfn.getExecutionHistory({ executionArn: many[0]?.executionArn });
    expect(begun.events?.map(({ type }) => type)).toEqual(['ExecutionStarted', 'WaitStateEntered']);
    await refused(
      all.sfn.startExecution({ stateMachineArn: arn, name: 'one', input: '{"a":2}' }),
      'ExecutionAlreadyExists',
      `Execution Already Exists: '${first.executionArn}'`,
    );
    await refused(
      all.sfn.startExecution({ stateMachineArn: arn, input: 'not' }),
      'InvalidExecutionInput',
      "Invalid State Machine Execution Input: 'Unrecognized token 'not': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')'",
    );
    await refused(
      all.sfn.startExecution({ stateMachineArn: arn, input: "{'a':1}" }),
      'InvalidExecutionInput',
      "Invalid State Machine Execution Input: 'Unexpected character (''' (code 39)): was expecting double-quote to start field name'",
    );
    await all.sfn.startExecution({ stateMachineArn: arn, name: 'two' });
    const { stopDate } = await all.sfn.stopExecution({ executionArn: first.executionArn, error: 'Enough', cause: 'asked' });
    expect(stopDate).toBeInstanceOf(Date);
    expect(await all.sfn.describeExecution({ executionArn: first.executionArn })).toMatchObject({
      status: 'ABORTED',
      error: 'Enough',
      cause: 'asked',
      redriveStatus: 'REDRIVABLE',
    });
    const { events = [] } = await all.sfn.getExecutionHistory({
      executionArn: first.executionArn,
      reverseOrder: true,
      maxResults: 1,
    });
    expect(events).toMatchObject([
      { id: 3, previousEventId: 0, type: 'ExecutionAborted', executionAbortedEventDetails: { error: 'Enough', cause: 'asked' } },
    ]);
    const names = async (more: object) =>
      (await all.sfn.listExecutions({ stateMachineArn: arn, ...more })).executions?.map(({ name }) => name);
    expect((await names({}))?.toSorted()).toEqual(['one', 'two', 'zero']);
    expect(await names({ statusFilter: 'ABORTED' })).toEqual(['one']);
    const page = await all.sfn.listExecutions({ stateMachineArn: arn, maxResults: 1 });
    expect(page.executions?.map(({ name }) => name)).toEqual(['two']);
    expect(await names({ maxResults: 1, nextToken: page.nextToken })).toEqual(['zero']);
    await refused(all.sfn.listExecutions({ stateMachineArn: arn, nextToken: 'x' }), 'InvalidToken');
    await refused(
      all.sfn.describeExecution({ executionArn: `${first.executionArn}x` }),
      'ExecutionDoesNotExist',
      `Execution Does Not Exist: '${first.executionArn}x'`,
    );
  });

  test('ends with its 25,000 events, and with data above 256 KB', async () => {
    const endless = await machineOf(all, role, {
      StartAt: 'Again',
      States: {
        Again: { Type: 'Choice', Choices: [{ Variable: '$.stop', IsPresent: true, Next: 'Done' }], Default: 'Again' },
        Done: { Type: 'Succeed' },
      },
    });
    const { executionArn = '' } = await all.sfn.startExecution({ stateMachineArn: endless });
    expect(await ended(all, executionArn, 30_000)).toMatchObject({
      status: 'FAILED',
      error: 'States.Runtime',
      cause: 'The execution reached the maximum number of history events (25000).',
    });
    const { events = [] } = await all.sfn.getExecutionHistory({ executionArn, reverseOrder: true, maxResults: 1 });
    expect(events[0]?.id).toBe(25_000);
    const big = await machineOf(all, role, only({ Type: 'Pass', Parameters: { 'a.$': '$.x', 'b.$': '$.x' } }));
    expect(await runOnce(all, big, { x: 'y'.repeat(140_000) })).toMatchObject({
      status: 'FAILED',
      error: 'States.DataLimitExceeded',
      cause: "The state/task 'Only' returned a result with a size exceeding the maximum number of bytes service limit.",
    });
  });

  test('that failed is redriven from where it failed', async () => {
    const arn = await machineOf(all, role, {
      StartAt: 'First',
      States: {
        First: { Type: 'Pass', Next: 'Task' },
        Task: {
          Type: 'Task',
          Resource: 'arn:aws:states:::aws-sdk:sfn:describeActivity',
          Parameters: { 'ActivityArn.$': '$.arn' },
          ResultSelector: { 'name.$': '$.Name' },
          End: true,
        },
      },
    });
    await all.iam.putRolePolicy({
      RoleName: 'flow',
      PolicyName: 'rights',
      PolicyDocument: JSON.stringify({
        Version: '2012-10-17',
        Statement: [{ Effect: 'Allow', Action: 'states:*', Resource: '*' }],
      }),
    });
    const activity = `arn:aws:states:us-east-1:${all.account.id}:activity:later`;
    const failed = await runOnce(all, arn, { arn: activity });
    expect(failed).toMatchObject({ status: 'FAILED', error: 'Sfn.ActivityDoesNotExistException' });
    await all.sfn.createActivity({ name: 'later' });
    await all.sfn.redriveExecution({ executionArn: failed.arn });
    expect(await ended(all, failed.arn)).toMatchObject({ status: 'SUCCEEDED', output: { name: 'later' } });
    expect(await all.sfn.describeExecution({ executionArn: failed.arn })).toMatchObject({
      redriveCount: 1,
      redriveStatus: 'NOT_REDRIVABLE',
      redriveStatusReason: 'Execution is SUCCEEDED and cannot be redriven',
    });
    const { events = [] } = await all.sfn.getExecutionHistory({ executionArn: failed.arn });
    const types = events.map(({ type }) => type);
    expect(types.slice(types.indexOf('ExecutionRedriven'))).toEqual([
      'ExecutionRedriven',
      'TaskScheduled',
      'TaskStarted',
      'TaskSucceeded',
      'TaskStateExited',
      'ExecutionSucceeded',
    ]);
    expect(types.filter((type) => type === 'PassStateEntered')).toHaveLength(1);
    await refused(
      all.sfn.redriveExecution({ executionArn: failed.arn }),
      'ExecutionNotRedrivable',
      'Execution is SUCCEEDED and cannot be redriven',
    );
  });
});

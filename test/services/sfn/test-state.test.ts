import { beforeAll, expect, test } from 'vitest';
import { refused } from '../../support/cloud.ts';
import { type Flows, flows, roleFor } from './support.ts';

let all: Flows;
let role: string;

beforeAll(async () => {
  all = flows();
  role = await roleFor(all, ['states:*']);
});

const tried = (state: object, more: object = {}) =>
  all.sfn.testState({ definition: JSON.stringify(state), input: '{"a":{"n":1}}', ...more });

test('one state is tried, and its data shown on the way', async () => {
  const state = {
    Type: 'Pass',
    InputPath: '$.a',
    Parameters: { 'm.$': '$.n' },
    ResultPath: '$.b',
    OutputPath: '$.b',
    Next: 'Other',
  };
  expect(await tried(state, { inspectionLevel: 'DEBUG' })).toMatchObject({
    status: 'SUCCEEDED',
    output: '{"m":1}',
    nextState: 'Other',
    inspectionData: {
      input: '{"a":{"n":1}}',
      afterInputPath: '{"n":1}',
      afterParameters: '{"m":1}',
      afterResultPath: '{"a":{"n":1},"b":{"m":1}}',
    },
  });
  const choice = { Type: 'Choice', Choices: [{ Variable: '$.a.n', NumericEquals: 1, Next: 'One' }], Default: 'None' };
  expect(await tried(choice)).toMatchObject({ status: 'SUCCEEDED', nextState: 'One' });
  expect(await tried({ Type: 'Fail', Error: 'E', Cause: 'c' })).toMatchObject({ status: 'FAILED', error: 'E', cause: 'c' });
  const jsonata = { QueryLanguage: 'JSONata', Type: 'Pass', Output: '{% $kept + $states.input.a.n %}', End: true };
  expect(await tried(jsonata, { variables: '{"kept":41}' })).toMatchObject({ status: 'SUCCEEDED', output: '42' });
  const machine = { StartAt: 'A', States: { A: { Type: 'Wait', Seconds: 9000, Next: 'B' }, B: { Type: 'Succeed' } } };
  expect(await tried(machine, { stateName: 'A' })).toMatchObject({ status: 'SUCCEEDED', nextState: 'B' });
});

test('a task makes its call by the role, or what the mock says', async () => {
  const task = {
    Type: 'Task',
    Resource: 'arn:aws:states:::aws-sdk:sfn:listActivities',
    Parameters: {},
    ResultSelector: { 'count.$': 'States.ArrayLength($.Activities)' },
    Retry: [{ ErrorEquals: ['Own'], MaxAttempts: 2 }],
    Catch: [{ ErrorEquals: ['States.ALL'], ResultPath: '$.e', Next: 'Saved' }],
    End: true,
  };
  expect(await tried(task, { roleArn: role })).toMatchObject({ status: 'SUCCEEDED', output: '{"count":0}' });
  expect(await tried(task, { mock: { result: '{"Activities":[1,2]}' } })).toMatchObject({
    status: 'SUCCEEDED',
    output: '{"count":2}',
  });
  const own = { mock: { errorOutput: { error: 'Own', cause: 'x' } } };
  expect(await tried(task, own)).toMatchObject({ status: 'RETRIABLE', error: 'Own', cause: 'x' });
  expect(await tried(task, { ...own, stateConfiguration: { retrierRetryCount: 2 } })).toMatchObject({
    status: 'CAUGHT_ERROR',
    nextState: 'Saved',
    output: '{"a":{"n":1},"e":{"Error":"Own","Cause":"x"}}',
  });
  await refused(tried(task), 'ValidationException', 'RoleArn must be specified when testing a Task state without a mock');
  await refused(tried(task, { mock: {} }), 'ValidationException', "A mock must have either 'result' or 'errorOutput'.");
  await refused(
    tried({ Type: 'Parallel', Branches: [{ StartAt: 'A', States: { A: { Type: 'Succeed' } } }], End: true }),
    'ValidationException',
    "State type 'Parallel' is not supported when a mock is not specified",
  );
  await refused(
    tried({ Type: 'Task', End: true }),
    'InvalidDefinition',
    "Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: These fields are required: [Resource] at /States/StateName'",
  );
});

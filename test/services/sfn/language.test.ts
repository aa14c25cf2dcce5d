import { beforeAll, describe, expect, test } from 'vitest';
import { type Flows, flows, historyOf, machineOf, only, roleFor, runOnce } from './support.ts';

let all: Flows;
let role: string;

beforeAll(async () => {
  all = flows();
  role = await roleFor(all);
});

async function outcome(definition: object, input: unknown = {}) {
  return runOnce(all, await machineOf(all, role, definition), input);
}

/** Output of a Pass whose Parameters are these. */
async function filled(Parameters: object, input: unknown = {}): Promise<Record<string, unknown>> {
  const { output, error, cause } = await outcome(only({ Type: 'Pass', Parameters }), input);
  return output ?? { error, cause };
}

test('a chain of passes hands its data on, and the history tells each step', async () => {
  const arn = await machineOf(all, role, {
    StartAt: 'First',
    States: {
      First: { Type: 'Pass', Result: { b: 2 }, ResultPath: '$.first', Next: 'Second' },
      Second: {
        Type: 'Pass',
        InputPath: '$.first',
        Parameters: { 'sum.$': 'States.MathAdd($.b, 40)' },
        OutputPath: '$.sum',
        End: true,
      },
    },
  });
  const run = await runOnce(all, arn, { a: 1 });
  expect(run).toMatchObject({ status: 'SUCCEEDED', output: 42 });
  const events = await historyOf(all, run.arn);
  expect(events.map(({ id, previousEventId, type }) => [id, previousEventId, type])).toEqual([
    [1, 0, 'ExecutionStarted'],
    [2, 0, 'PassStateEntered'],
    [3, 2, 'PassStateExited'],
    [4, 3, 'PassStateEntered'],
    [5, 4, 'PassStateExited'],
    [6, 5, 'ExecutionSucceeded'],
  ]);
  expect(events[2]?.stateExitedEventDetails).toEqual({
    name: 'First',
    output: '{"a":1,"first":{"b":2}}',
    outputDetails: { truncated: false },
  });
});

describe('intrinsic functions', () => {
  test.each([
    ["States.Format('{} is {}', $.name, $.n)", 'x is 3'],
    ["States.Format('\\{\\} {}', $.n)", '{} 3'],
    ['States.StringToJson(\'{"a":[1]}\')', { a: [1] }],
    ['States.JsonToString($.list)', '[1,2,2]'],
    ['States.Array($.n, null, true)', [3, null, true]],
    ['States.ArrayPartition($.list, 2)', [[1, 2], [2]]],
    ['States.ArrayContains($.list, 2)', true],
    ['States.ArrayRange(1, 9, 4)', [1, 5, 9]],
    ['States.ArrayGetItem($.list, 1)', 2],
    ['States.ArrayLength($.list)', 3],
    ['States.ArrayUnique($.list)', [1, 2]],
    ["States.Base64Encode('hi')", 'aGk='],
    ["States.Base64Decode('aGk=')", 'hi'],
    ["States.Hash('a', 'SHA-1')", '86f7e437faa5a7fce15d1ddcb9eaeaea377667b8'],
    ['States.JsonMerge($.a, $.b, false)', { x: 1, y: { q: 2 } }],
    ["States.StringSplit('1,2;3', ',;')", ['1', '2', '3']],
    ['States.ArrayLength(States.StringSplit($.name, $.name))', 0],
  ])('%s', async (call, wanted) => {
    const input = { name: 'x', n: 3, list: [1, 2, 2], a: { x: 1, y: { p: 1 } }, b: { y: { q: 2 } } };
    expect(await filled({ 'v.$': call }, input)).toEqual({ v: wanted });
  });

  test('that draw lots stay in their bounds', async () => {
    const drawn = await filled({
      'random.$': 'States.MathRandom(1, 3)',
      'id.$': 'States.UUID()',
      'again.$': 'States.MathRandom(1, 999, 7)',
    });
    expect([1, 2]).toContain(drawn['random']);
    expect(drawn['id']).toMatch(/^[0-9a-f-]{36}$/);
    expect(await filled({ 'again.$': 'States.MathRandom(1, 999, 7)' })).toEqual({ again: drawn['again'] });
  });

  test.each([
    ['States.ArrayGetItem($.list, 9)', 'The index specified is out of bounds of the array.'],
    ["States.Format('{}', 1, 2)", 'The number of arguments does not match the occurrences of {}.'],
    ['States.ArrayLength(1)', 'Invalid arguments: an array is required.'],
  ])('%s fails', async (call, reason) => {
    const { error, cause } = await filled({ 'v.$': call }, { list: [] });
    expect(error).toBe('States.IntrinsicFailure');
    expect(cause).toContain(reason);
  });
});

describe('paths', () => {
  const input = {
    'detail-type': 'x',
    rows: [{ 'my-key': 'a.b-c' }, { 'my-key': 'z' }],
    a: { 'b c': [{ n: 1 }, { n: 5 }, { n: 9 }] },
  };
  test.each([
    ['$.detail-type', 'x'],
    ["$.a['b c'][0].n", 1],
    ["$.a['b c'][-1].n", 9],
    ["$.a['b c'][?(@.n > 4)].n", [5, 9]],
    ["$.a['b c'][*].n", [1, 5, 9]],
    ["$.a['b c'][0:2].n", [1, 5]],
    ['$..n', [1, 5, 9]],
    ["$.rows[?(@.my-key == 'a.b-c')].my-key", ['a.b-c']],
    ["$.a['b c'][?(@.n > 99)]", []],
    ['$$.State.Name', 'Only'],
    ['$$.Execution.Input.detail-type', 'x'],
  ])('%s', async (path, wanted) => {
    expect(await filled({ 'v.$': path }, input)).toEqual({ v: wanted });
  });

  test('that lead nowhere end the execution', async () => {
    const { error, cause } = await filled({ 'v.$': '$.no' }, { a: 1 });
    expect([error, cause]).toEqual([
      'States.Runtime',
      "An error occurred while executing the state 'Only' (entered at the event id #2). The JSONPath '$.no' specified for the field 'v.$' could not be found in the input '{\"a\":1}'",
    ]);
    const other = await outcome(only({ Type: 'Pass', InputPath: '$.x.y' }), { a: 1 });
    expect(other.cause).toContain("Invalid path '$.x.y': Missing property in path $['x']");
  });
});

test('a choice takes the first rule that holds, or its default, or fails', async () => {
  const to = (Next: string, rule: object) => ({ ...rule, Next });
  const arn = await machineOf(all, role, {
    StartAt: 'Which',
    States: {
      Which: {
        Type: 'Choice',
        Choices: [
          to('Text', { Variable: '$.v', StringMatches: 'log-*.txt' }),
          to('Big', {
            And: [
              { Variable: '$.v', IsNumeric: true },
              { Variable: '$.v', NumericGreaterThan: 10 },
            ],
          }),
          to('Same', { Variable: '$.v', NumericEqualsPath: '$.w' }),
          to('Time', { Variable: '$.v', TimestampLessThan: '2020-01-01T00:00:00Z' }),
          to('None', { Not: { Variable: '$.v', IsPresent: true } }),
        ],
      },
      ...Object.fromEntries(
        ['Text', 'Big', 'Same', 'Time', 'None'].map((name) => [name, { Type: 'Pass', Result: name, End: true }]),
      ),
    },
  });
  const pick = async (input: object) => (await runOnce(all, arn, input)).output;
  expect(await pick({ v: 'log-1.txt' })).toBe('Text');
  expect(await pick({ v: 11 })).toBe('Big');
  expect(await pick({ v: 3, w: 3 })).toBe('Same');
  expect(await pick({ v: '2019-05-05T00:00:00Z', w: 1 })).toBe('Time');
  expect(await pick({ v: 'log-1.tx', w: 0 }).catch(() => undefined)).toBeUndefined();
  expect(await runOnce(all, arn, { v: 1, w: 2 })).toMatchObject({ status: 'FAILED', error: 'States.NoChoiceMatched' });
  expect(await runOnce(all, arn, {})).toMatchObject({
    error: 'States.Runtime',
    cause:
      "An error occurred while executing the state 'Which' (entered at the event id #2). Invalid path '$.v': The choice state's condition path references an invalid value.",
  });
});

test('a Fail state names its error, fixed or from the data', async () => {
  expect(await outcome({ StartAt: 'F', States: { F: { Type: 'Fail', Error: 'Own', Cause: 'because' } } })).toMatchObject({
    status: 'FAILED',
    error: 'Own',
    cause: 'because',
  });
  const paths = { Type: 'Fail', ErrorPath: '$.e', CausePath: "States.Format('no {}', $.what)" };
  expect(await outcome({ StartAt: 'F', States: { F: paths } }, { e: 'E1', what: 'way' })).toMatchObject({
    error: 'E1',
    cause: 'no way',
  });
});

test('branches of a Parallel run side by side and are joined in order; one that fails fails all', async () => {
  const branch = (state: object) => ({ StartAt: 'In', States: { In: { End: true, ...state } } });
  const inner = (state: object, name: string) => ({ StartAt: name, States: { [name]: { End: true, ...state } } });
  const parallel = (second: object, more: object = {}) => ({
    StartAt: 'Both',
    States: {
      Both: {
        Type: 'Parallel',
        Branches: [branch({ Type: 'Pass', Parameters: { 'a.$': '$.x' } }), inner(second, 'Other')],
        ...more,
      },
      ...('Catch' in more ? { Saved: { Type: 'Pass', End: true } } : {}),
    },
  });
  const good = await outcome(
    parallel({ Type: 'Pass', Result: 'two' }, { ResultSelector: { 'first.$': '$[0].a', 'second.$': '$[1]' }, End: true }),
    { x: 7 },
  );
  expect(good.output).toEqual({ first: 7, second: 'two' });
  const failing = { StartAt: 'Bad', States: { Bad: { Type: 'Fail', Error: 'Broken', Cause: 'inside' } } };
  const definition = {
    StartAt: 'Both',
    States: {
      Both: {
        Type: 'Parallel',
        Branches: [inner({ Type: 'Wait', Seconds: 900 }, 'Slow'), failing],
        Catch: [{ ErrorEquals: ['Broken'], ResultPath: '$.why', Next: 'Saved' }],
        End: true,
      },
      Saved: { Type: 'Pass', End: true },
    },
  };
  const caught = await outcome(definition, { x: 1 });
  expect(caught.output).toEqual({ x: 1, why: { Error: 'Broken', Cause: 'inside' } });
  const types = (await historyOf(all, caught.arn)).map(({ type }) => type);
  expect(types).toEqual(
    expect.arrayContaining([
      'ParallelStateStarted',
      'WaitStateEntered',
      'WaitStateAborted',
      'ParallelStateFailed',
      'ParallelStateExited',
    ]),
  );
});

test('a Map runs its items through its states, a few at once, in their order', async () => {
  const map = {
    Type: 'Map',
    ItemsPath: '$.list',
    ItemSelector: { 'n.$': '$$.Map.Item.Value', 'at.$': '$$.Map.Item.Index', 'base.$': '$.base' },
    MaxConcurrency: 2,
    ItemProcessor: {
      StartAt: 'Add',
      States: { Add: { Type: 'Pass', Parameters: { 'sum.$': 'States.MathAdd($.n, $.base)', 'at.$': '$.at' }, End: true } },
    },
    ResultPath: '$.sums',
  };
  const run = await outcome(only(map), { list: [1, 2, 3, 4, 5], base: 10 });
  expect(run.output?.['sums']).toEqual([11, 12, 13, 14, 15].map((sum, at) => ({ sum, at })));
  const events = await historyOf(all, run.arn);
  expect(events.filter(({ type }) => type === 'MapIterationSucceeded')).toHaveLength(5);
  expect(events.find(({ type }) => type === 'MapStateStarted')?.mapStateStartedEventDetails).toEqual({ length: 5 });
  expect((await outcome(only(map), { list: [], base: 1 })).output?.['sums']).toEqual([]);
  const wrong = await outcome(only(map), { list: 5, base: 1 });
  expect(wrong).toMatchObject({
    status: 'FAILED',
    error: 'States.Runtime',
    cause: expect.stringContaining('Reference path "$.list" must point to array.'),
  });
});

describe('JSONata', () => {
  const jsonata = (state: object) => only(state, { QueryLanguage: 'JSONata' });

  test('expressions see the input, the context, variables and the functions of Step Functions', async () => {
    const definition = {
      QueryLanguage: 'JSONata',
      StartAt: 'Keep',
      States: {
        Keep: { Type: 'Pass', Assign: { total: '{% $sum($states.input.prices) %}', name: 'fixed' }, Next: 'Use' },
        Use: {
          Type: 'Pass',
          Output: {
            total: '{% $total * 2 %}',
            name: '{% $name %}',
            parts: '{% $partition([1,2,3], 2) %}',
            range: '{% $range(0, 4, 2) %}',
            hash: "{% $hash('a', 'SHA-1') %}",
            parsed: '{% $parse(\'{"a":1}\').a %}',
            state: '{% $states.context.State.Name %}',
            uuid: '{% $length($uuid()) %}',
          },
          End: true,
        },
      },
    };
    const run = await outcome(definition, { prices: [1, 2, 3] });
    expect(run.output).toEqual({
      total: 12,
      name: 'fixed',
      parts: [[1, 2], [3]],
      range: [0, 2, 4],
      hash: '86f7e437faa5a7fce15d1ddcb9eaeaea377667b8',
      parsed: 1,
      state: 'Use',
      uuid: 36,
    });
    const exited = (await historyOf(all, run.arn)).find(({ type }) => type === 'PassStateExited');
    expect(exited?.stateExitedEventDetails?.assignedVariables).toEqual({ total: '6', name: '"fixed"' });
  });

  test('choices, maps and waits take expressions', async () => {
    const definition = {
      QueryLanguage: 'JSONata',
      StartAt: 'Which',
      States: {
        Which: {
          Type: 'Choice',
          Choices: [{ Condition: '{% $states.input.n > 1 %}', Next: 'Each', Output: { list: [1, 2] } }],
          Default: 'Each',
        },
        Each: {
          Type: 'Map',
          Items: '{% $states.input.list %}',
          ItemSelector: { value: '{% $states.context.Map.Item.Value * 3 %}' },
          ItemProcessor: { StartAt: 'One', States: { One: { Type: 'Pass', Output: '{% $states.input.value %}', End: true } } },
          End: true,
        },
      },
    };
    expect((await outcome(definition, { n: 2 })).output).toEqual([3, 6]);
    expect((await outcome(definition, { n: 0, list: [5] })).output).toEqual([15]);
  });

  test.each([
    [
      '{% $states.input.no %}',
      "The JSONata expression '$states.input.no' specified for the field 'Output' returned nothing (undefined).",
    ],
    ["{% $eval('1') %}", 'threw an error during evaluation'],
    ['{% ($f := function($n) { $f($n + 1) + 1 }; $f(1)) %}', 'threw an error during evaluation'],
    ['{% ($f := function($n) { $f($n + 1) }; $f(1)) %}', 'threw an error during evaluation'],
  ])('%s fails as a query', async (Output, reason) => {
    const run = await outcome(jsonata({ Type: 'Pass', Output }));
    expect(run).toMatchObject({ status: 'FAILED', error: 'States.QueryEvaluationError', cause: expect.stringContaining(reason) });
    const failed = (await historyOf(all, run.arn)).find(({ type }) => type === 'EvaluationFailed');
    expect(failed?.evaluationFailedEventDetails).toMatchObject({
      location: 'Output',
      state: 'Only',
      error: 'States.QueryEvaluationError',
    });
  });
});

test('variables of JSONPath states are set by Assign and read with a dollar', async () => {
  const definition = {
    StartAt: 'Set',
    States: {
      Set: { Type: 'Pass', Assign: { 'kept.$': '$.a', fixed: 1 }, Next: 'Use' },
      Use: { Type: 'Pass', Parameters: { 'x.$': '$kept.b', 'y.$': 'States.MathAdd($fixed, 1)' }, End: true },
    },
  };
  expect((await outcome(definition, { a: { b: 'deep' } })).output).toEqual({ x: 'deep', y: 2 });
});

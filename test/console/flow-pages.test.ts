import { expect, test } from 'vitest';
import { ended, flows, historyOf, machineOf, only, roleFor, runOnce } from '../services/sfn/support.ts';
import { Browser } from './browser.ts';

test('SFN-002 the history lists each state of an execution, and the graph shows every state with its outcome', async () => {
  const all = flows();
  const role = await roleFor(all);
  const broken = { StartAt: 'Broken', States: { Broken: { Type: 'Fail', Error: 'Bad<b>' } } };
  const arn = await machineOf(all, role, {
    StartAt: 'Begin',
    States: {
      Begin: { Type: 'Pass', Next: 'Which' },
      Which: { Type: 'Choice', Choices: [{ Variable: '$.skip', IsPresent: true, Next: 'Skipped' }], Default: 'Both' },
      Skipped: { Type: 'Pass', Next: 'Last' },
      Both: {
        Type: 'Parallel',
        Branches: [{ StartAt: 'Slow', States: { Slow: { Type: 'Wait', Seconds: 900, End: true } } }, broken],
        Catch: [{ ErrorEquals: ['Bad<b>'], Next: 'Last' }],
        Next: 'Last',
      },
      Last: { Type: 'Fail', Error: 'Own' },
    },
  });
  const run = await runOnce(all, arn);
  const entered = (await historyOf(all, run.arn)).map(({ stateEnteredEventDetails }) => stateEnteredEventDetails?.name);
  expect(entered.filter((name) => name !== undefined)).toEqual(['Begin', 'Which', 'Both', 'Slow', 'Broken', 'Last']);

  const browser = new Browser();
  expect((await browser.get(`/states/execution?arn=${run.arn}`)).status).toBe(303);
  await browser.signInRoot(all.account.id);
  await browser.post('/mfa/skip', {});
  expect((await browser.get('/states/machines')).text).toContain(arn.split(':').at(-1) ?? '');
  expect((await browser.get(`/states/machine?arn=${arn}`)).text).toContain(encodeURIComponent(run.arn));
  const outcomes = async (execution: string) => {
    const { text } = await browser.get(`/states/execution?arn=${execution}`);
    return Object.fromEntries([...text.matchAll(/aria-label="([^":]+): ([^"]+)"/g)].map(([, name, outcome]) => [name, outcome]));
  };
  expect(await outcomes(run.arn)).toEqual({
    Begin: 'succeeded',
    Which: 'succeeded',
    Skipped: 'not reached',
    Both: 'caught error',
    Slow: 'aborted',
    Broken: 'failed',
    Last: 'failed',
  });
  const { text } = await browser.get(`/states/execution?arn=${run.arn}`);
  for (const line of ['Begin to Which', 'Which to Skipped', 'Which to Both', 'Both to Last', 'Skipped to Last'])
    expect(text).toContain(`<title>${line}</title>`);

  const slow = await machineOf(all, role, only({ Type: 'Wait', Seconds: 900 }));
  const { executionArn = '' } = await all.sfn.startExecution({ stateMachineArn: slow });
  expect(await outcomes(executionArn)).toEqual({ Only: 'in progress' });
  await all.sfn.stopExecution({ executionArn });
  await ended(all, executionArn);
  expect(await outcomes(executionArn)).toEqual({ Only: 'aborted' });
  const missing = await browser.get(`/states/execution?arn=${executionArn}x`);
  expect([missing.status, missing.text.includes('ExecutionDoesNotExist: ')]).toEqual([403, true]);
});

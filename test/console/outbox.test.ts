import { SNS } from '@aws-sdk/client-sns';
import { expect, test } from 'vitest';
import { allow, policy, rooted } from '../services/iam/support.ts';
import { Browser, password } from './browser.ts';

test('the outbox shows text messages to the root user and to whom a policy lets, and to nobody else', async () => {
  const root = rooted();
  const sns = new SNS(root.account.config());
  await sns.publish({ PhoneNumber: '+358401234567', Message: 'Your <code> is 123456' });
  const browser = new Browser();
  await browser.signInRoot(root.account.id);
  await browser.post('/mfa/skip', {});
  const seen = await browser.get('/outbox');
  expect(seen.status).toBe(200);
  expect(seen.text).toContain('Your &lt;code&gt; is 123456');
  expect(seen.text).toContain('+358401234567');
  for (const [UserName, Action, status] of [
    ['reader', 'pilvi:ReadOutbox', 200],
    ['other', 'sns:*', 403],
  ] as const) {
    await root.iam.createUser({ UserName });
    await root.iam.createLoginProfile({ UserName, Password: password });
    await root.iam.putUserPolicy({ UserName, PolicyName: 'p', PolicyDocument: policy(allow(Action)) });
    const own = new Browser();
    await own.signIn(root.account.id, UserName);
    const answer = await own.get('/outbox');
    expect([answer.status, answer.text.includes('123456')]).toEqual([status, status === 200]);
  }
  const stranger = rooted();
  const elsewhere = new Browser();
  await elsewhere.signInRoot(stranger.account.id);
  await elsewhere.post('/mfa/skip', {});
  const empty = await elsewhere.get('/outbox');
  expect([empty.text.includes('<h1>Outbox</h1>'), empty.text.includes('123456')]).toEqual([true, false]);
});

import { expect, test } from 'vitest';
import { CloudClock } from './clock.ts';

test('a pause ends with its time or with its signal, whichever is first', async () => {
  const clock = new CloudClock();
  const ended: string[] = [];
  const long = new AbortController();
  const pauses = [
    clock.pause(60_000, long.signal).then(() => ended.push('long')),
    clock.pause(5, new AbortController().signal).then(() => ended.push('short')),
    clock.pause(60_000, AbortSignal.abort()).then(() => ended.push('never begun')),
  ];
  await pauses[1];
  expect(ended).toEqual(['never begun', 'short']);
  long.abort();
  await Promise.all(pauses);
  expect(ended).toEqual(['never begun', 'short', 'long']);
});

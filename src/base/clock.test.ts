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

test('time ends with the year 9999, so that every moment can be written', () => {
  let real = Date.UTC(2026, 0, 1);
  const clock = new CloudClock(undefined, () => real);
  expect(() => clock.advance(1e300)).toThrow('The clock ends with the year 9999.');
  expect(() => clock.advance(Number.NaN)).toThrow('The clock only moves forward.');
  expect(() => clock.setSpeed(Number.POSITIVE_INFINITY)).toThrow('Speed must be at most 1000000.');
  clock.setSpeed(1_000_000);
  real += 365 * 86_400_000;
  expect(new Date(clock.now()).toISOString()).toBe('9999-12-31T23:59:59.000Z');
});

import { expect, test } from 'vitest';
import { KeyedTurns, Slots } from './turns.ts';

/** An action that records its begin, and ends when told. */
function action(name: string, log: string[]): { run: () => Promise<void>; end: () => void } {
  let end = () => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const run = () => {
    log.push(name);
    return ended;
  };
  return { run, end: () => end() };
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

test('one at a time for a key, also after a failure; different keys side by side', async () => {
  const log: string[] = [];
  const turns = new KeyedTurns();
  const [a1, b] = [action('a1', log), action('b', log)];
  void turns.run('a', a1.run);
  const failing = turns.run('a', async () => {
    log.push('a2');
    throw new Error('no');
  });
  const last = turns.run('a', async () => void log.push('a3'));
  void turns.run('b', b.run);
  await settle();
  expect(log).toEqual(['a1', 'b']);
  a1.end();
  await expect(failing).rejects.toThrow('no');
  await last;
  expect(log).toEqual(['a1', 'b', 'a2', 'a3']);
  b.end();
  await turns.idle();
});

test('slots bound how much runs at once, and are given back after a failure', async () => {
  const log: string[] = [];
  const slots = new Slots(2);
  const actions = ['1', '2', '3'].map((name) => action(name, log));
  const runs = actions.map(({ run }) => slots.run(run));
  await settle();
  expect(log).toEqual(['1', '2']);
  actions[1]?.end();
  await settle();
  expect(log).toEqual(['1', '2', '3']);
  for (const { end } of actions) end();
  await Promise.all(runs);
  await expect(slots.run(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
  await Promise.all([slots.run(async () => {}), slots.run(async () => {})]);
});

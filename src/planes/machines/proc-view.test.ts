import { describe, expect, test } from 'vitest';
import { chooseCpus, formatMemory, formatProcessors, parseCpuList } from './proc-view.ts';

const mib = 1024 * 1024;

describe('/proc/meminfo', () => {
  test('free and available follow what the group uses', () => {
    const used = { usedBytes: 100 * mib, fileBytes: 60 * mib, inactiveFileBytes: 40 * mib, sharedBytes: 0, oomKills: 0 };
    const text = formatMemory(512 * mib, used);
    const value = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1]) / 1024;
    expect([value('MemTotal'), value('MemFree'), value('MemAvailable'), value('Cached'), value('AnonPages')]).toEqual([
      512, 412, 452, 60, 40,
    ]);
  });

  test('keeps its length, because a new text is written over the old one', () => {
    const used = { usedBytes: 511 * mib, fileBytes: 1, inactiveFileBytes: 0, sharedBytes: 5 * mib, oomKills: 0 };
    expect(formatMemory(512 * mib, used)).toHaveLength(formatMemory(512 * mib, undefined).length);
  });
});

test('/proc/cpuinfo has as many processors as the machine', () => {
  const block = (n: number) => `processor\t: ${n}\nsiblings\t: 4\ncpu cores\t: 4\n`;
  const host = `${[0, 1, 2, 3].map(block).join('\n')}\nHardware\t: board\n`;
  expect(formatProcessors(host, 2)).toBe(
    'processor\t: 0\nsiblings\t: 2\ncpu cores\t: 2\n\nprocessor\t: 1\nsiblings\t: 2\ncpu cores\t: 2\n\nHardware\t: board\n\n',
  );
});

test('lists of processors', () => {
  expect(parseCpuList('0-2,5\n')).toEqual([0, 1, 2, 5]);
  expect(parseCpuList('3')).toEqual([3]);
  expect(parseCpuList('')).toEqual([]);
});

test('a machine gets the processors that the fewest others have', () => {
  expect(chooseCpus([0, 1, 2], [0, 0, 1], 1)).toEqual([2]);
  expect(chooseCpus([0, 1, 2], [2], 2)).toEqual([0, 1]);
  expect(chooseCpus([0, 1], [], 2)).toEqual([0, 1]);
});

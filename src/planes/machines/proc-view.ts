/**
 * What /proc says inside a machine where the kernel would tell of the host: memory and processors. The texts are written to files that are shown at
 * /proc/meminfo, /proc/cpuinfo and /proc/swaps; the memory file is written again every few seconds while the machine runs. Rejected: a file system
 * in user space (lxcfs is not everywhere, and one of our own would block every reader while Pilvi is busy).
 */
import type { CgroupMemory } from '../../machine/cgroup.ts';

export const swapsText = 'Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n';

/**
 * /proc/meminfo of a machine with so many bytes. Lines have the kernel's own fixed width, so that a new text covers an old one exactly.
 * `used` is undefined where no control group counts: then everything but the total is unknown and said to be free.
 */
export function formatMemory(totalBytes: number, used: CgroupMemory | undefined): string {
  const { usedBytes, fileBytes, inactiveFileBytes, sharedBytes } = used ?? {
    usedBytes: 0,
    fileBytes: 0,
    inactiveFileBytes: 0,
    sharedBytes: 0,
  };
  const free = Math.max(0, totalBytes - usedBytes);
  const anonymous = Math.max(0, usedBytes - fileBytes);
  const lines: readonly (readonly [string, number])[] = [
    ['MemTotal', totalBytes],
    ['MemFree', free],
    ['MemAvailable', Math.min(totalBytes, free + inactiveFileBytes)],
    ['Buffers', 0],
    ['Cached', fileBytes],
    ['SwapCached', 0],
    ['Active', Math.max(0, usedBytes - inactiveFileBytes)],
    ['Inactive', inactiveFileBytes],
    ['SwapTotal', 0],
    ['SwapFree', 0],
    ['AnonPages', anonymous],
    ['Shmem', sharedBytes],
    ['Slab', 0],
    ['SReclaimable', 0],
  ];
  return lines.map(([name, bytes]) => `${`${name}:`.padEnd(16)}${String(Math.floor(bytes / 1024)).padStart(8)} kB\n`).join('');
}

/** /proc/cpuinfo with as many processors as the machine has; at most the host's. */
export function formatProcessors(hostText: string, count: number): string {
  const blocks = hostText.trimEnd().split('\n\n');
  const processors = blocks.filter((block) => /^processor\s*:/.test(block)).slice(0, count);
  // Arm kernels add a block about the board, which stays.
  const others = blocks.filter((block) => !/^processor\s*:/.test(block));
  const numbered = processors.map((block, index) =>
    block
      .replace(/^(processor\s*: ).*$/m, `$1${index}`)
      .replace(/^(siblings\s*: ).*$/m, `$1${processors.length}`)
      .replace(/^(cpu cores\s*: ).*$/m, `$1${processors.length}`),
  );
  return `${[...numbered, ...others].join('\n\n')}\n\n`;
}

/** Expands a list of processors as the kernel writes it: `0-2,5` is [0, 1, 2, 5]. */
export function parseCpuList(text: string): number[] {
  return text
    .trim()
    .split(',')
    .filter((part) => part !== '')
    .flatMap((part) => {
      const [first, last = first] = part.split('-').map(Number) as [number, number?];
      return Array.from({ length: last - first + 1 }, (_, index) => first + index);
    });
}

/** Chooses `count` processors, those that the fewest machines use first. `used` holds one entry for each processor of each machine. */
export function chooseCpus(available: readonly number[], used: readonly number[], count: number): number[] {
  const load = (cpu: number): number => used.filter((other) => other === cpu).length;
  return [...available]
    .sort((a, b) => load(a) - load(b) || a - b)
    .slice(0, count)
    .sort((a, b) => a - b);
}

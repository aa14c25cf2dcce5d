import { describe, expect, test } from 'vitest';
import { parseCounters, planLayout, sumDisk } from './cgroup.ts';
import { parseMounts } from './mount.ts';

const v1 = `25 20 0:22 / /sys/fs/cgroup rw - tmpfs tmpfs rw
26 25 0:23 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
27 25 0:24 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
28 25 0:25 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd
29 25 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
`;
const v2 = '25 20 0:22 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n';

function read(files: Record<string, string>): (path: string) => string {
  return (path) => {
    const text = files[path];
    if (text === undefined) throw new Error(`no ${path}`);
    return text;
  };
}

describe('layout', () => {
  test('version 1, with a unified hierarchy beside it', () => {
    const layout = planLayout(parseMounts(v1), read({}));
    expect(layout).toMatchObject({ kind: 'v1', swapAccounting: false });
    if (layout.kind !== 'v1') return;
    expect(layout.controllers.get('cpuacct')).toBe('/sys/fs/cgroup/cpu,cpuacct');
    expect(layout.hierarchies).toHaveLength(4);
  });

  test('swap can be bounded where the kernel counts it', () => {
    const files = { '/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes': '1' };
    expect(planLayout(parseMounts(v1), read(files))).toMatchObject({ swapAccounting: true });
  });

  test('version 2', () => {
    const layout = planLayout(parseMounts(v2), read({ '/sys/fs/cgroup/cgroup.controllers': 'cpuset cpu io memory pids\n' }));
    expect(layout).toMatchObject({ kind: 'v2', hierarchies: ['/sys/fs/cgroup'] });
  });

  test('none, or none with memory', () => {
    expect(planLayout([], read({}))).toMatchObject({ kind: 'none' });
    expect(planLayout(parseMounts(v2), read({ '/sys/fs/cgroup/cgroup.controllers': 'pids\n' }))).toMatchObject({ kind: 'none' });
  });
});

test('mountinfo: escaped paths, optional fields', () => {
  const [mount] = parseMounts('36 35 98:0 /mnt1 /a\\040b rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n');
  expect(mount).toEqual({ path: '/a b', type: 'ext3', source: '/dev/root', options: ['rw', 'errors=continue'] });
});

test('bytes of disks are added up, in the words of either version', () => {
  const v1Text = '8:0 Read 10\n8:0 Write 5\n8:0 Total 15\n8:16 Read 1\nTotal 16\n';
  expect(sumDisk(v1Text, /^\d+:\d+ (Read|Write) (\d+)$/gm)).toEqual({ diskReadBytes: 11, diskWriteBytes: 5 });
  const v2Text = '8:0 rbytes=10 wbytes=5 rios=1 wios=1 dbytes=9 dios=0\n8:16 rbytes=1 wbytes=0\n';
  expect(sumDisk(v2Text, /\b(rbytes|wbytes)=(\d+)/g)).toEqual({ diskReadBytes: 11, diskWriteBytes: 5 });
});

test('counters', () => {
  expect(parseCounters('oom 1\noom_kill 2\n').get('oom_kill')).toBe(2);
});

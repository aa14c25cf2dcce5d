/** Machines on the real kernel: what a user of one would notice, seen from inside it. */
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { ensureCgroupParent } from '../../src/machine/cgroup.ts';
import { readInside } from '../../src/machine/launch.ts';
import { listMounts } from '../../src/machine/mount.ts';
import { listNamespaces } from '../../src/machine/netns.ts';
import { FakeMachines } from '../../src/planes/machines/fake-machines.ts';
import { openLinuxMachines } from '../../src/planes/machines/linux-machines.ts';
import { holdsId } from '../../src/planes/machines/machine-host.ts';
import type { Machines, MachineSpec, MachineStatus } from '../../src/planes/machines/types.ts';
import { eventually } from '../support/cloud.ts';
import { insideNamespaces } from './support-inside.ts';
import { booted, consoleText, machine, script, sh } from './support-machines.ts';

let folder: string;
let machines: Machines;
const changes: MachineStatus[] = [];

async function start(spec: MachineSpec): Promise<MachineStatus> {
  const status = await machines.ensureMachine(spec);
  expect(status.reason).toBeUndefined();
  expect(status.state).toBe('running');
  return status;
}

/** The first change that the plane tells of by itself. */
function nextChange(): Promise<MachineStatus> {
  return eventually(
    () => {
      expect(changes).not.toEqual([]);
      return changes[0] as MachineStatus;
    },
    { why: 'the change is told' },
  );
}

/** Processes of the pid namespace this test runs in, as numbers. */
async function processes(): Promise<number[]> {
  return (await readdir('/proc')).map(Number).filter((pid) => pid > 0);
}

await insideNamespaces(import.meta.url, () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'pilvi-machines-'));
    machines = await openLinuxMachines({ folder, inside: readInside(process.env) });
    machines.onChange((status) => changes.push(status));
    expect(machines.unavailable).toBeUndefined();
    // The image of the host is built before the first machine, which takes seconds; no test is to be slow for that.
    await start(machine('first'));
  });

  afterEach(async () => {
    for (const key of await machines.machines()) await machines.removeMachine(key);
    for (const volume of await readdir(`${folder}/store/volumes`)) await machines.removeVolume(volume);
    changes.length = 0;
    expect(await readdir(`${folder}/run`)).toEqual(['.runtime']);
    expect(await readdir(`${folder}/run/.runtime`)).toEqual([]);
    expect(await readdir(`${folder}/consoles`)).toEqual([]);
    expect(await listNamespaces()).toEqual([]);
    expect((await listMounts()).filter((mount) => mount.path.startsWith(folder))).toEqual([]);
  });

  afterAll(async () => {
    await machines.close();
    await rm(folder, { recursive: true, force: true });
  });

  describe('boot', () => {
    test('init is up before user data has ended, and user data runs as root', async () => {
      const userData = script('sleep 0.5', 'whoami > /root/who', 'echo to the console');
      const status = await start(machine('a', { userData }));
      expect(status.userDataDone).toBe(false);
      expect((await machines.exec('a', ['test', '-e', '/root/who'])).status).toBe(1);
      await booted(machines, 'a');
      await eventually(async () => expect((await machines.status('a'))?.userDataDone).toBe(true), { why: 'its end is reported' });
      expect(await sh(machines, 'a', 'cat /root/who')).toBe('root');
      expect(await sh(machines, 'a', 'cat /var/log/cloud-init-output.log')).toContain('to the console');
      await eventually(async () => expect(await consoleText(machines, 'a')).toContain('to the console'), {
        why: 'the console shows it',
      });
    });

    test('user data runs once in the life of the root volume', async () => {
      const spec = machine('a', { userData: script('echo ran >> /root/runs') });
      const runs = (): Promise<string> => sh(machines, 'a', 'cat /root/runs');
      await start(spec);
      await booted(machines, 'a');
      await start({ ...spec, bootNumber: 2 });
      await booted(machines, 'a');
      expect(await runs(), 'after a reboot').toBe('ran');
      await machines.ensureMachine({ ...spec, bootNumber: 2, running: false });
      await start({ ...spec, bootNumber: 2 });
      await booted(machines, 'a');
      expect(await runs(), 'after stop and start').toBe('ran');
      await start({ ...spec, key: 'b', rootVolume: 'vol-b' });
      await booted(machines, 'b');
      expect(await sh(machines, 'b', 'cat /root/runs'), 'on another machine').toBe('ran');
    });

    test('a reboot loses processes and memory, keeps the root volume, and starts uptime anew', async () => {
      const spec = machine('a');
      await start(spec);
      await sh(
        machines,
        'a',
        'sleep 1000 > /dev/null 2>&1 & echo kept > /usr/local/kept; echo lost > /dev/shm/lost; touch /etc/kept',
      );
      await sh(machines, 'a', 'sleep 1.2');
      const again = await start({ ...spec, bootNumber: 2 });
      expect(again.startedAt).toBeGreaterThan(0);
      expect(Number(await sh(machines, 'a', "cut -d' ' -f1 /proc/uptime"))).toBeLessThan(2);
      expect(await sh(machines, 'a', 'cat /usr/local/kept; ls /etc/kept; ls /dev/shm')).toBe('kept\n/etc/kept');
      expect(await sh(machines, 'a', 'cat /proc/[0-9]*/cmdline | tr "\\0" " "')).not.toContain('sleep 1000');
    });

    test('the same spec again changes nothing', async () => {
      const first = await start(machine('a'));
      const second = await start(machine('a'));
      expect(second.startedAt).toBe(first.startedAt);
      expect(changes).toEqual([]);
    });

    test('a machine that cannot start says why, and the next attempt starts it', async () => {
      const status = await machines.ensureMachine(machine('a', { image: 'absent' }));
      expect(status.state).toBe('failed');
      expect(status.reason).toContain('no image absent');
      await start(machine('a'));
    });

    test('two machines cannot share a root volume', async () => {
      await start(machine('a'));
      const other = await machines.ensureMachine(machine('b', { rootVolume: 'vol-a' }));
      expect(other.state).toBe('failed');
      expect(other.reason).toContain('in use by the machine a');
      await expect(machines.removeVolume('vol-a')).rejects.toThrow('in use by the machine a');
    });

    test('#cloud-config writes files and runs commands; what it cannot do is on the console', async () => {
      const config = [
        '#cloud-config',
        'write_files:',
        '  - path: /etc/made',
        '    content: |',
        '      by cloud-config',
        "    permissions: '0600'",
      ];
      const more = [
        'runcmd:',
        '  - echo shell $((1 + 1)) > /root/ran',
        "  - [sh, -c, 'echo $0 > /root/list', \"it's\"]",
        'snap: {}',
      ];
      await start(machine('a', { userData: Buffer.from([...config, ...more, ''].join('\n')) }));
      await booted(machines, 'a');
      expect(await sh(machines, 'a', 'cat /etc/made /root/ran /root/list; stat -c %a /etc/made')).toBe(
        "by cloud-config\nshell 2\nit's\n600",
      );
      await eventually(async () => expect(await consoleText(machines, 'a')).toContain('key snap is not supported'), {
        why: 'the note is printed',
      });
    });
  });

  describe('inside', () => {
    test('names are the spec’s', async () => {
      await start(machine('a', { hostname: 'ip-10-0-0-7' }));
      expect(await sh(machines, 'a', 'hostname; cat /etc/hostname; uname -n')).toBe('ip-10-0-0-7\nip-10-0-0-7\nip-10-0-0-7');
    });

    test('processors and memory are the spec’s', async (context) => {
      await start(machine('a', { memoryMiB: 384 }));
      if ((await machines.status('a'))?.memoryBytes === 0) context.skip('no control groups here');
      expect(await sh(machines, 'a', 'nproc; grep -c ^processor /proc/cpuinfo')).toBe('1\n1');
      expect(await sh(machines, 'a', "free -m | awk '/^Mem/ { print $2 }'")).toBe('384');
    });

    test('the image’s user logs in with the keys of the spec, which are not forced upon a later boot', async () => {
      const spec = machine('a', { authorizedKeys: ['ssh-ed25519 AAAAone one', 'ssh-ed25519 AAAAtwo two'] });
      await start(spec);
      await booted(machines, 'a');
      const keys = '/home/ec2-user/.ssh/authorized_keys';
      expect(await sh(machines, 'a', `cat ${keys}; stat -c '%a' ${keys}`)).toBe(
        'ssh-ed25519 AAAAone one\nssh-ed25519 AAAAtwo two\n600',
      );
      // A user namespace that maps no more than one id has no second user.
      if (holdsId(readFileSync('/proc/self/uid_map', 'utf8'), 1000))
        expect(await sh(machines, 'a', `stat -c %U ${keys}`)).toBe('ec2-user');
      await sh(machines, 'a', `echo replaced > ${keys}`);
      await start({ ...spec, bootNumber: 2 });
      await booted(machines, 'a');
      expect(await sh(machines, 'a', `cat ${keys}`)).toBe('replaced');
    });

    test('nothing of the host’s homes, secrets, environment and processes can be seen', async () => {
      process.env['PILVI_TEST_SECRET'] = 'environment-secret';
      await start(machine('a'));
      await booted(machines, 'a');
      expect(
        (await sh(machines, 'a', 'ls -A /root')).split('\n').filter((name) => !/^\.(bashrc|profile|bash_profile)$/.test(name)),
      ).toEqual([]);
      expect(await sh(machines, 'a', 'ls -A /opt /srv /mnt')).toBe('/mnt:\n\n/opt:\n\n/srv:');
      const usual = /^(bin|boot|dev|etc|home|lib.*|media|mnt|opt|proc|root|run|sbin|srv|sys|tmp|usr|var)$/;
      expect((await sh(machines, 'a', 'ls -A /')).split('\n').filter((name) => !usual.test(name))).toEqual([]);
      expect(await sh(machines, 'a', 'ls /home')).toBe('ec2-user');
      expect(await sh(machines, 'a', 'cut -d: -f2 /etc/shadow | sort -u')).toBe('*');
      expect(await sh(machines, 'a', "cat /proc/1/environ | tr '\\0' '\\n'; env")).not.toContain('environment-secret');
      expect((await machines.exec('a', ['test', '-e', folder])).status).toBe(1);
      expect((await machines.exec('a', ['ls', '/usr/local/etc'])).status).not.toBe(0);
      expect(await sh(machines, 'a', 'cat /etc/passwd | cut -d: -f1')).not.toContain('cloudsdk');
      // Init, its sleep, and the command itself.
      expect(Number(await sh(machines, 'a', 'ls -d /proc/[0-9]* | wc -l'))).toBeLessThan(8);
      expect(await sh(machines, 'a', 'cat /proc/[0-9]*/comm 2>/dev/null')).not.toContain('node');
    });

    test('the host’s kernel cannot be changed', async () => {
      await start(machine('a'));
      for (const command of [
        'echo 1 > /proc/sys/kernel/panic',
        'echo b > /proc/sysrq-trigger',
        'mount -t sysfs x /mnt',
        'mount -t cgroup x /mnt',
        'mount --bind /proc /mnt',
        'dmesg',
        'date -s 2001-01-01',
      ]) {
        expect((await machines.exec('a', ['sh', '-c', command])).status, command).not.toBe(0);
      }
      await sh(machines, 'a', 'echo 1 > /proc/sys/net/ipv4/ip_forward && grep 1 /proc/sys/net/ipv4/ip_forward');
      expect(readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8'), 'of the test’s own network').toBe('0\n');
    });

    test('software can be installed into /usr, and the host does not have it', async () => {
      await start(machine('a'));
      await sh(machines, 'a', 'echo "echo hello" > /usr/bin/pilvi-hello; chmod +x /usr/bin/pilvi-hello; rm /usr/bin/env');
      expect(await sh(machines, 'a', 'pilvi-hello; command -v env || echo gone')).toBe('hello\ngone');
      expect(await readdir('/usr/bin')).not.toContain('pilvi-hello');
      expect(await readdir('/usr/bin')).toContain('env');
    });

    test('a service from a unit file runs, is restarted when it dies, and comes back after a reboot', async () => {
      const unit = [
        '[Unit]',
        'After=network.target',
        '[Service]',
        'User=www-data',
        "Environment='WORD=two words'",
        'Restart=always',
      ];
      const more = [
        `ExecStart=/bin/sh -c 'echo "$WORD" as $(id -un); exec sleep 1000'`,
        '[Install]',
        'WantedBy=multi-user.target',
      ];
      const userData = script(
        "cat > /etc/systemd/system/app.service <<'UNIT'",
        ...unit,
        ...more,
        'UNIT',
        'systemctl daemon-reload',
        'systemctl enable --now app',
      );
      const spec = machine('a', { userData });
      const pid = (): Promise<string> => sh(machines, 'a', 'cat /run/units/app.service/pid || true');
      await start(spec);
      await booted(machines, 'a');
      expect(await sh(machines, 'a', 'systemctl is-active app; systemctl is-enabled app')).toBe('active\nenabled');
      expect(await sh(machines, 'a', 'cat /var/log/units/app.service.log')).toContain('two words as ');
      const first = await pid();
      await sh(machines, 'a', `kill -KILL ${first}`);
      await eventually(async () => expect([first, '']).not.toContain(await pid()), { why: 'it is restarted' });
      await start({ ...spec, bootNumber: 2 });
      await booted(machines, 'a');
      expect(await sh(machines, 'a', 'systemctl is-active app')).toBe('active');
      expect((await machines.exec('a', ['systemctl', 'stop', 'app'])).status).toBe(0);
      expect((await machines.exec('a', ['systemctl', 'is-active', 'app'])).status).toBe(3);
      expect((await machines.exec('a', ['systemctl', 'start', 'absent'])).status).toBe(5);
      expect((await machines.exec('a', ['systemctl', 'list-timers'])).status).toBe(1);
    });

    test('orphans are buried', async () => {
      await start(machine('a'));
      await sh(machines, 'a', 'for n in 1 2 3 4 5; do (sleep 0.05 > /dev/null 2>&1 &); done');
      await eventually(
        async () => {
          const states = (await sh(machines, 'a', "grep -h '^State' /proc/[0-9]*/status 2>/dev/null || true")).split('\n');
          expect(states.filter((state) => state.includes('Z'))).toEqual([]);
          const commands = await sh(machines, 'a', 'cat /proc/[0-9]*/cmdline 2>/dev/null | tr "\\0" " "');
          expect(commands).not.toContain('sleep 0.05');
        },
        { why: 'orphans that ended are gone' },
      );
    });

    test('exec passes input and tells status and both outputs', async () => {
      await start(machine('a'));
      const result = await machines.exec('a', ['sh', '-c', 'cat; echo wrong >&2; exit 7'], Buffer.from('given'));
      expect([result.status, Buffer.from(result.stdout).toString(), Buffer.from(result.stderr).toString()]).toEqual([
        7,
        'given',
        'wrong\n',
      ]);
      await expect(machines.exec('absent', ['true'])).rejects.toThrow('does not run');
    });
  });

  describe('end', () => {
    test('a stopped machine keeps its root volume and its console', async () => {
      const spec = machine('a');
      await start(spec);
      await sh(machines, 'a', 'echo here > /root/file; echo last words > /dev/console');
      const stopped = await machines.ensureMachine({ ...spec, running: false });
      expect(stopped).toMatchObject({ state: 'stopped', stoppedFromInside: false, memoryBytes: 0 });
      // What was written last may still be in the pipe when the power is off; a boot that goes on beside it may have its say in between.
      await vi.waitFor(async () => expect(await consoleText(machines, 'a')).toMatch(/last words\n[\s\S]*going down/), 10_000);
      await start(spec);
      expect(await sh(machines, 'a', 'cat /root/file')).toBe('here');
    });

    test('programs get a signal before the power goes, and stubborn ones are killed', async () => {
      const spec = machine('a');
      await start(spec);
      await sh(
        machines,
        'a',
        `(trap 'echo told > /root/told; exit' TERM; touch /run/one; while :; do sleep 0.05; done) > /dev/null 2>&1 &`,
      );
      await sh(machines, 'a', `(trap '' TERM HUP; touch /run/two; while :; do sleep 0.05; done) > /dev/null 2>&1 &`);
      await sh(machines, 'a', 'while [ ! -e /run/one ] || [ ! -e /run/two ]; do sleep 0.01; done');
      expect((await machines.ensureMachine({ ...spec, running: false })).state).toBe('stopped');
      await start(spec);
      expect(await sh(machines, 'a', 'cat /root/told')).toBe('told');
    });

    test('poweroff inside stops the machine, which stays off until it is asked for anew', async () => {
      const spec = machine('a');
      await start(spec);
      await machines.exec('a', ['shutdown', '-h', 'now']);
      const status = await nextChange();
      expect(status).toMatchObject({ key: 'a', state: 'stopped', stoppedFromInside: true });
      expect((await machines.ensureMachine(spec)).state).toBe('stopped');
      await start({ ...spec, bootNumber: 2 });
    });

    test('reboot inside reboots', async () => {
      const { startedAt } = await start(machine('a'));
      await machines.exec('a', ['reboot']);
      const status = await nextChange();
      expect(status).toMatchObject({ state: 'running', stoppedFromInside: false });
      expect(status.startedAt).toBeGreaterThan(startedAt ?? 0);
    });

    test('a killed init is reported', async () => {
      await start(machine('a'));
      const before = await processes();
      const init = before.find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('/bin/sh\0/run/pilvi/init'));
      process.kill(init as number, 'SIGKILL');
      const status = await nextChange();
      expect(status).toMatchObject({ key: 'a', state: 'failed', reason: 'Its init was killed.' });
    });

    test('a program that takes more memory than there is gets killed, and the machine lives', async (context) => {
      await start(machine('a', { memoryMiB: 64 }));
      if ((await machines.status('a'))?.memoryBytes === 0) context.skip('no control groups here');
      const { status } = await machines.exec('a', ['sh', '-c', 'head -c 200M /dev/zero | tail']);
      expect(status).toBe(137);
      expect((await machines.status('a'))?.state).toBe('running');
      expect(await consoleText(machines, 'a')).toContain('Out of memory: the kernel killed');
    });
  });

  describe('images', () => {
    test('a machine from a frozen image has what was on the volume, and runs its own user data', async () => {
      await start(machine('a', { userData: script('echo a >> /root/runs') }));
      await booted(machines, 'a');
      await sh(
        machines,
        'a',
        'echo golden > /usr/share/golden; rm /etc/inputrc; rm -r /etc/skel; mkdir /etc/skel; touch /etc/skel/new',
      );
      await machines.freeze('vol-a', 'golden');
      await machines.freeze('vol-a', 'golden');
      await machines.removeMachine('a');
      await machines.removeVolume('vol-a');
      await start(machine('b', { image: 'golden', userData: script('echo b >> /root/runs') }));
      await booted(machines, 'b');
      expect(await sh(machines, 'b', 'cat /usr/share/golden /root/runs; ls -A /etc/skel')).toBe('golden\na\nb\nnew');
      expect((await machines.exec('b', ['test', '-e', '/etc/inputrc'])).status, 'a deleted file').toBe(1);
      await machines.removeImage('golden');
    });

    test('an image may be removed while volumes lie on it; its layers go with the last of them', async () => {
      await start(machine('a'));
      await sh(machines, 'a', 'echo one > /root/layer');
      await machines.freeze('vol-a', 'one');
      await start(machine('b', { image: 'one' }));
      await sh(machines, 'b', 'echo two >> /root/layer');
      await machines.freeze('vol-b', 'two');
      await machines.removeImage('one');
      await start(machine('c', { image: 'two' }));
      expect(await sh(machines, 'c', 'cat /root/layer')).toBe('one\ntwo');
      await machines.removeImage('two');
      expect(await readdir(`${folder}/store/layers`)).toHaveLength(2);
      for (const key of ['a', 'b', 'c']) await machines.removeMachine(key);
      for (const key of ['a', 'b', 'c']) await machines.removeVolume(`vol-${key}`);
      expect(await readdir(`${folder}/store/layers`)).toEqual([]);
      await machines.removeImage('two');
    });
  });

  test('the fake twin answers the same', async () => {
    const told: Record<string, unknown>[][] = [];
    for (const plane of [machines, new FakeMachines()]) {
      const seen: Record<string, unknown>[] = [];
      const look = (status: MachineStatus | undefined): number =>
        seen.push({ state: status?.state, fromInside: status?.stoppedFromInside, up: status?.startedAt !== undefined });
      const refusal = async (action: Promise<unknown>): Promise<number> =>
        seen.push({
          refused: await action.then(
            () => undefined,
            (error: Error) => error.message,
          ),
        });
      look(await plane.status('a'));
      look(await plane.ensureMachine(machine('a')));
      look(await plane.ensureMachine(machine('a')));
      look(await plane.ensureMachine(machine('b', { rootVolume: 'vol-a' })));
      look(await plane.ensureMachine(machine('c', { image: 'absent' })));
      await refusal(plane.removeVolume('vol-a'));
      await refusal(plane.freeze('vol-absent', 'image'));
      look(await plane.ensureMachine(machine('a', { bootNumber: 2 })));
      look(await plane.ensureMachine(machine('a', { bootNumber: 2, running: false })));
      look(await plane.ensureMachine(machine('a', { bootNumber: 3, running: false })));
      await refusal(plane.exec('a', ['true']));
      look(await plane.ensureMachine(machine('a', { bootNumber: 3 })));
      await plane.freeze('vol-a', 'image');
      look(await plane.ensureMachine(machine('d', { image: 'image' })));
      for (const key of ['a', 'b', 'c', 'd', 'e']) await plane.removeMachine(key);
      look(await plane.status('a'));
      seen.push({ volumes: (await plane.volumes()).filter((name) => name !== 'vol-first') });
      for (const volume of ['vol-a', 'vol-d', 'vol-d']) await plane.removeVolume(volume);
      await plane.removeImage('image');
      told.push(seen);
    }
    expect(told[1]).toEqual(told[0]);
    expect(told[0]?.at(-1)).toEqual({ volumes: ['vol-a', 'vol-d'] });
  });

  test('what a crash left is cleared away when the plane opens', async () => {
    const inside = readInside(process.env);
    const other = await mkdtemp(join(tmpdir(), 'pilvi-machines-'));
    for (const name of ['run/dead/seed', 'run/.runtime/dead', 'store/volumes/half/root'])
      await mkdir(`${other}/${name}`, { recursive: true });
    const layout = await ensureCgroupParent(inside?.run ?? '', 2 ** 40);
    const group = layout.kind === 'none' ? undefined : `${layout.hierarchies[0]}/${inside?.run}/dead`;
    if (group !== undefined) await mkdir(group);
    const reopened = await openLinuxMachines({ folder: other, inside });
    expect(reopened.unavailable).toBeUndefined();
    expect(existsSync(`${other}/run`)).toBe(false);
    expect(await readdir(`${other}/store/volumes`)).toEqual([]);
    if (group !== undefined) expect(existsSync(group)).toBe(false);
    expect((await reopened.ensureMachine(machine('dead'))).state).toBe('running');
    await reopened.removeMachine('dead');
    await reopened.close();
    await rm(other, { recursive: true, force: true });
  });

  test('on the host itself no machine is started', async () => {
    const plane = await openLinuxMachines({ folder: `${folder}/never`, inside: undefined });
    expect(plane.unavailable).toContain('namespaces');
    expect(existsSync(`${folder}/never`)).toBe(false);
  });

  test('a hundred machines come and go and leave nothing', { timeout: 120_000 }, async () => {
    const before = await processes();
    const keys = Array.from({ length: 100 }, (_, index) => `crowd-${index}`);
    const states = await Promise.all(keys.map(async (key) => (await machines.ensureMachine(machine(key))).state));
    expect(states.filter((state) => state !== 'running')).toEqual([]);
    await Promise.all(keys.map((key) => machines.removeMachine(key)));
    await eventually(async () => expect((await processes()).length).toBeLessThanOrEqual(before.length), { why: 'they are gone' });
  });
});

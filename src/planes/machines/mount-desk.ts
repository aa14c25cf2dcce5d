/**
 * Answers what programs inside a machine ask of its disks (guest-mount.ts). Nothing that comes in is trusted: a disk is named by its node and looked up among the
 * machine's own; kinds of file systems and options are of a list; only what this desk mounted is unmounted.
 */
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { Socket } from 'node:net';
import {
  diskFileSystems,
  fileSystemOf,
  growFileSystem,
  machineMounts,
  makeXfs,
  mountInMachine,
  mountMemoryInMachine,
  remountInMachine,
  unmountInMachine,
} from '../../machine/block-mount.ts';
import type { CommandOutput } from '../../machine/command.ts';
import type { MachineDisk } from './types.ts';

export interface DeskOptions {
  pid: number;
  ask: string;
  answer: string;
  /** Empty folder of the plane for the moment of growing a file system. */
  scratch: string;
  /** The machine's disks as they are now. */
  disks: () => readonly MachineDisk[];
  /** Called after each unmount. */
  onUnmount: () => void;
}

interface Answer {
  status: number;
  words: string;
}

/** Options of mkfs.xfs that name no other file or device. */
const plainFlags = /^-([fqKN]+|[Lbimns])$/;
const valued = /^-[Lbimns]$/;
const plainValues = /^[\w.,=-]+$/;
const lineBytesMax = 4096;
/** Where a disk may not be mounted: what the machine and the plane themselves stand on. */
const keptPlaces = /^\/(proc|sys|dev|run\/pilvi(-desk)?)?(\/|$)/;
/** Options of mount(8) and of the file systems that reach nothing but the file system itself. */
const plainOptions = new Set([
  ...[
    'ro',
    'rw',
    'noatime',
    'nodiratime',
    'relatime',
    'strictatime',
    'lazytime',
    'sync',
    'async',
    'dirsync',
    'nosuid',
    'suid',
    'noexec',
  ],
  ...[
    'exec',
    'discard',
    'nodiscard',
    'nobarrier',
    'barrier',
    'errors',
    'data',
    'commit',
    'nouuid',
    'inode64',
    'logbufs',
    'logbsize',
  ],
  ...[
    'largeio',
    'swalloc',
    'allocsize',
    'subvol',
    'subvolid',
    'compress',
    'ssd',
    'autodefrag',
    'acl',
    'noacl',
    'user_xattr',
    'stripe',
  ],
  ...['size', 'mode', 'uid', 'gid', 'nr_inodes', 'umask', 'fmask', 'dmask', 'noload', 'norecovery', 'remount'],
]);
/** Words for other programs than the kernel (fstab(5)), and defaults. */
const silentOptions = /^(defaults|auto|noauto|nofail|_netdev|users?|nousers?|owner|group|dev|nodev|comment=.*|x-.*)$/;

/** The desk of one boot of one machine. */
export class MountDesk {
  readonly #options: DeskOptions;
  readonly #socket: Socket;
  readonly #answer: number;
  #unread = '';
  #last: Promise<void> = Promise.resolve();
  /** Places of memory file systems that it mounted. */
  readonly #memory = new Set<string>();

  constructor(options: DeskOptions) {
    this.#options = options;
    // Opened for both directions, so that neither side ever sees an end or waits for the other.
    const asked = openSync(options.ask, constants.O_RDWR | constants.O_NONBLOCK);
    this.#answer = openSync(options.answer, constants.O_RDWR | constants.O_NONBLOCK);
    this.#socket = new Socket({ fd: asked, readable: true, writable: false });
    this.#socket.unref();
    this.#socket.on('error', () => {});
    this.#socket.on('data', (chunk: Buffer) => this.#hear(chunk.toString()));
  }

  close(): void {
    this.#socket.destroy();
    void this.#last.finally(() => closeSync(this.#answer));
  }

  #hear(text: string): void {
    const lines = (this.#unread + text).split('\n');
    this.#unread = (lines.pop() ?? '').slice(0, lineBytesMax);
    for (const line of lines) this.#last = this.#last.then(() => this.#serve(line));
  }

  async #serve(line: string): Promise<void> {
    const [id = '', verb = '', name = '', type = '', options = '', target = ''] = line.split('\t');
    let answer: Answer;
    try {
      answer = await this.#do(verb, name, type, options, target);
    } catch (error) {
      answer = { status: 32, words: `${verb}: ${(error as Error).message}` };
    }
    const words = answer.words.trim().replace(/\s+/g, ' ').slice(0, 1000);
    try {
      writeSync(this.#answer, `${id}\t${answer.status}\t${words}\n`);
    } catch {
      // Nobody has read the answers for long: the pipe is full, and the one who asked is gone.
    }
  }

  async #do(verb: string, name: string, type: string, options: string, target: string): Promise<Answer> {
    if (!target.startsWith('/') || target.split('/').includes('..')) return { status: 32, words: `${verb}: bad path.` };
    if (verb === 'mkfs') return this.#makeXfs(name, options);
    if (verb === 'umount') return this.#unmount(target, options === 'lazy');
    if (keptPlaces.test(target)) return { status: 32, words: `${verb}: ${target}: this place is kept by the machine.` };
    const plain = options.split(',').filter((option) => option !== '' && option !== '-' && !silentOptions.test(option));
    const unfit = plain.find((option) => !plainOptions.has(option.split('=')[0] ?? ''));
    if (unfit !== undefined) return { status: 32, words: `mount: the option ${unfit} is not supported on this machine.` };
    const { pid } = this.#options;
    if (verb === 'memory') {
      const output = await mountMemoryInMachine(pid, plain, target);
      if (output.status === 0) this.#memory.add(target);
      return tell(output);
    }
    if (verb === 'remount') {
      if (!(await this.#isOurs(target))) return { status: 32, words: `mount: ${target}: not mounted by this machine.` };
      return tell(
        await remountInMachine(
          pid,
          plain.filter((option) => option !== 'remount'),
          target,
        ),
      );
    }
    const disk = this.#options.disks().find((one) => one.name === name);
    if (disk === undefined) return { status: 32, words: `${verb}: /dev/${name} is not a disk of this machine.` };
    return verb === 'grow' ? this.#grow(disk) : this.#mount(disk, type, plain, target);
  }

  async #mount(disk: MachineDisk, asked: string, options: readonly string[], target: string): Promise<Answer> {
    const found = await fileSystemOf(disk.device);
    const type = asked === 'auto' ? found : asked;
    if (type === undefined || !diskFileSystems.has(type)) {
      const words = `mount: ${target}: wrong fs type, bad option, bad superblock on /dev/${disk.name}, missing codepage or helper program, or other error.`;
      return { status: 32, words };
    }
    return tell(await mountInMachine(this.#options.pid, disk, { type, options, target }));
  }

  async #unmount(target: string, lazy: boolean): Promise<Answer> {
    if (!(await this.#isOurs(target)))
      return { status: 32, words: `umount: ${target}: must be a disk of this machine to unmount.` };
    const output = await unmountInMachine(this.#options.pid, target, lazy);
    if (output.status === 0) this.#memory.delete(target);
    this.#options.onUnmount();
    return tell(output);
  }

  async #grow(disk: MachineDisk): Promise<Answer> {
    const type = await fileSystemOf(disk.device);
    if (type === undefined || !diskFileSystems.has(type)) return { status: 1, words: `/dev/${disk.name} has no file system.` };
    await mkdir(this.#options.scratch, { recursive: true });
    try {
      return tell(await growFileSystem(disk, type, this.#options.scratch));
    } finally {
      await rm(this.#options.scratch, { recursive: true, force: true });
    }
  }

  async #makeXfs(name: string, options: string): Promise<Answer> {
    const disk = this.#options.disks().find((one) => one.name === name);
    if (disk === undefined) return { status: 1, words: `/dev/${name} is not a disk of this machine.` };
    const words = options.split(' ').filter((word) => word !== '');
    const unfit = words.find(
      (word, index) => !(plainFlags.test(word) || (plainValues.test(word) && valued.test(words[index - 1] ?? ''))),
    );
    if (unfit !== undefined) return { status: 1, words: `mkfs.xfs: ${unfit} is not supported on this machine.` };
    return tell(await makeXfs(disk, words));
  }

  async #isOurs(target: string): Promise<boolean> {
    if (this.#memory.has(target)) return true;
    const mounts = (await machineMounts(this.#options.pid)).filter((mount) => mount.path === target);
    const top = mounts.at(-1);
    return top !== undefined && isDiskNumber(top.number);
  }
}

/** Machines see no block device but their disks, all of them loop devices. */
function isDiskNumber(number: string): boolean {
  return number.startsWith('7:');
}

function tell({ status, stdout, stderr }: CommandOutput): Answer {
  return { status, words: status === 0 ? stdout : stderr };
}

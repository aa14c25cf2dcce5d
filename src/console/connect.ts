/**
 * The console's Connect page: a shell on an instance in pages without scripts. As EC2 Instance Connect does it from the browser: a key made for this once is
 * pushed with the user's rights, and SSH goes from the internet to the instance's public address, where its security groups must allow port 22.
 */
import { randomBytes } from 'node:crypto';
import type { DescribeInstancesResult } from '@aws-sdk/client-ec2';
import type { Client, ClientChannel } from 'ssh2';
import { findRegion } from '../base/regions.ts';
import type { Caller } from '../kernel/caller.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { defaultRegion } from './entry.ts';
import { base, connectPage, shellPage } from './pages.ts';
import { type Answer, goTo, invoke, shown, type Visit, wordsOf } from './visit.ts';

/** Open shells; the longest unused one goes when there are more. */
const shellsMax = 16;
/** The end of a transcript that is kept, in characters. */
const transcriptMax = 64 * 1024;
const connectMillisMax = 10_000;
/** A page is sent when the shell has been silent for a moment, or after this time. */
const silentMillis = 250;
const answerMillisMax = 5_000;

interface Shell {
  /** Who opened it; nobody else may use it. */
  account: string;
  userArn: string;
  instance: string;
  client: Client;
  channel: ClientChannel;
  transcript: string;
  heardAt: number;
  open: boolean;
}

const idForm = /^i-[0-9a-f]{8,17}$/;
const userForm = /^[a-z_][a-z0-9_-]{0,31}$/;

export class Shells {
  readonly #kernel: Kernel;
  /** In the order of their last use. */
  readonly #shells = new Map<string, Shell>();

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** The page that asks for the user to connect as. */
  show(caller: Caller, { url }: Visit): Answer {
    const region = findRegion(url.searchParams.get('region') ?? '')?.name ?? defaultRegion;
    return shown(connectPage({ ...caller, region, instance: url.searchParams.get('instance') ?? '' }));
  }

  /** Opens a shell and leads to its page. */
  async connect(caller: Caller, { form }: Visit): Promise<Answer> {
    const region = findRegion(form.get('region') ?? '')?.name ?? defaultRegion;
    const [instance, user] = [form.get('instance') ?? '', form.get('user') ?? ''];
    const refuse = (words: string): Answer => shown(connectPage({ ...caller, region, instance }, words), 403);
    if (!idForm.test(instance) || !userForm.test(user)) return refuse('The instance or the user name is not valid.');
    try {
      const ask = { InstanceIds: [instance] };
      const found = (await invoke(this.#kernel, ['ec2', 'DescribeInstances'], region, caller, ask)) as DescribeInstancesResult;
      const address = found.Reservations?.[0]?.Instances?.[0]?.PublicIpAddress;
      if (address === undefined) return refuse('The instance has no public IPv4 address.');
      const { default: ssh } = await import('ssh2');
      const key = ssh.utils.generateKeyPairSync('ed25519');
      const push = { InstanceId: instance, InstanceOSUser: user, SSHPublicKey: key.public };
      await invoke(this.#kernel, ['ec2-instance-connect', 'SendSSHPublicKey'], region, caller, push);
      const client = new ssh.Client();
      const channel = await openShell(client, { host: address, username: user, privateKey: key.private });
      return goTo(`${base}/ec2/shell?shell=${this.#keep(caller, instance, client, channel)}`);
    } catch (error) {
      return refuse(error instanceof ConnectFailure ? error.message : wordsOf(error));
    }
  }

  /** What the shell has printed, after sending the form's line to it. */
  async use(caller: Caller, { url, form }: Visit): Promise<Answer> {
    const id = form.get('shell') ?? url.searchParams.get('shell') ?? '';
    const shell = this.#shells.get(id);
    if (shell === undefined || shell.account !== caller.account || shell.userArn !== caller.principal.arn)
      return shown(connectPage({ ...caller, region: defaultRegion, instance: '' }, 'There is no such shell.'), 404);
    this.#shells.delete(id);
    this.#shells.set(id, shell);
    const line = form.get('line');
    if (line !== null && shell.open) {
      shell.heardAt = performance.now();
      shell.channel.write(`${line}\n`);
    }
    const end = performance.now() + answerMillisMax;
    while (shell.open && performance.now() < end && performance.now() - shell.heardAt < silentMillis)
      await this.#kernel.clock.pause(silentMillis / 5);
    return shown(shellPage({ ...caller, id, instance: shell.instance, transcript: shell.transcript, open: shell.open }));
  }

  #keep(caller: Caller, instance: string, client: Client, channel: ClientChannel): string {
    const id = randomBytes(16).toString('hex');
    const who = { account: caller.account, userArn: caller.principal.arn };
    const shell: Shell = { ...who, instance, client, channel, transcript: '', heardAt: performance.now(), open: true };
    const hear = (chunk: Buffer): void => {
      shell.transcript = (shell.transcript + chunk.toString('utf8')).slice(-transcriptMax);
      shell.heardAt = performance.now();
    };
    channel.on('data', hear);
    channel.stderr.on('data', hear);
    const close = (): void => {
      shell.open = false;
      client.end();
    };
    channel.on('close', close);
    client.on('close', close);
    client.on('error', close);
    this.#shells.set(id, shell);
    for (const [old, { client: gone }] of this.#shells) {
      if (this.#shells.size <= shellsMax) break;
      gone.end();
      this.#shells.delete(old);
    }
    return id;
  }
}

class ConnectFailure extends Error {}

/** Throws ConnectFailure when the instance does not answer or does not let in. */
function openShell(client: Client, to: { host: string; username: string; privateKey: string }): Promise<ClientChannel> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      client.end();
      reject(new ConnectFailure(`Failed to connect to your instance: ${error.message}. Does a security group allow port 22?`));
    };
    client.once('error', fail);
    client.once('ready', () => {
      client.shell({ term: 'dumb', cols: 132 }, (error, channel) => {
        client.off('error', fail);
        if (error === undefined) resolve(channel);
        else fail(error);
      });
    });
    client.connect({ ...to, port: 22, readyTimeout: connectMillisMax });
  });
}

/**
 * Network namespaces of sandboxes. Each has an address of its own on the internet, which nothing can begin a connection to, and finds the Runtime API
 * at 127.0.0.1:9001 as in AWS: the connection is translated to the plane's own listener, which knows the sandbox by its address. One that is attached to
 * a network has that network's device as its only way out, by translation to the device's address; the API stays in reach.
 *
 * Making one takes 30 ms, so some wait ready, and one that was used is used again: nothing of a sandbox outlives its processes there but half-open
 * connections, which the kernel forgets.
 */
import { PilviError } from '../../base/errors.ts';
import { formatIp4, parseIp4 } from '../../base/cidr.ts';
import { applyIpCommands, removeByIpCommands } from '../../machine/link.ts';
import { machineNamespace, namespacePath } from '../../machine/netns.ts';
import { applyPacketRules } from '../../machine/nft.ts';
import { applySettings } from '../../machine/sysctl.ts';
import type { NetworkAttachment } from './types.ts';
import { functionsApi, functionsCidr, mtu, resolverAddress, uplinkInternetEnd } from '../fabric/addresses.ts';

/** The API as sandboxes see it. */
export const apiInside = '127.0.0.1:9001';
const firstAddress = (parseIp4(functionsCidr.split('/')[0] ?? '') as number) + 1;
const slotsMax = 4094;
/** Namespaces that wait ready. */
const readyMax = 4;
const table = 'pilvi-functions';

export interface Slot {
  number: number;
  /** Path of the namespace. */
  path: string;
  address: string;
  resolver: string;
  attached?: string | undefined;
}

/** Namespaces of one cloud's sandboxes. */
export class SandboxNetworks {
  readonly #ready: Slot[] = [];
  readonly #taken = new Set<number>();
  #next = 0;
  #making = 0;
  #closed = false;

  /** A namespace that nobody else has. Throws `CommandFailed`. */
  async take(attachment: NetworkAttachment | undefined): Promise<Slot> {
    if (attachment !== undefined) return this.#attached(attachment);
    const slot = this.#ready.pop() ?? (await this.#make());
    this.#refill();
    return slot;
  }

  /** Takes it back once its sandbox is gone. */
  async release(slot: Slot): Promise<void> {
    if (slot.attached === undefined && this.#ready.length < readyMax * 2 && !this.#closed) this.#ready.push(slot);
    else {
      await removeByIpCommands(undefined, [`link del dev ${deviceOf(slot.number)}`, `netns del ${nameOf(slot.number)}`]);
      this.#taken.delete(slot.number);
    }
  }

  /** Makes some ready. Never rejects: what fails shows when one is needed. */
  warm(): void {
    this.#refill();
  }

  close(): void {
    this.#closed = true;
  }

  #refill(): void {
    while (!this.#closed && this.#ready.length + this.#making < readyMax) {
      this.#making += 1;
      void this.#make()
        .then(
          (slot) => this.#ready.push(slot),
          () => undefined,
        )
        .finally(() => (this.#making -= 1));
    }
  }

  async #make(): Promise<Slot> {
    const slot = this.#draw();
    const { number, address } = slot;
    const name = nameOf(number);
    await applyIpCommands(undefined, rootCommands(number, address));
    await Promise.all([
      applyIpCommands(name, [...ownCommands(address), `route replace default via ${uplinkInternetEnd.address} dev rt0`]),
      applyPacketRules(name, apiRules(address)),
      applySettings(name, { 'net/ipv4/conf/all/route_localnet': '1' }),
    ]);
    return slot;
  }

  async #attached({ machine, address: privateAddress, resolver }: NetworkAttachment): Promise<Slot> {
    const slot = { ...this.#draw(), attached: machine, resolver };
    const { number, address } = slot;
    const [name, outer, device] = [nameOf(number), machineNamespace(machine), `v${number}`];
    await applyIpCommands(undefined, [
      ...rootCommands(number, address),
      `link add name ${device} address ${uplinkInternetEnd.mac} mtu ${mtu} type veth peer name vpc0 netns ${name}`,
      `link set dev ${device} netns ${outer}`,
    ]);
    await Promise.all([
      applyIpCommands(outer, [`link set ${device} up`, `route replace ${address}/32 dev ${device}`]),
      applyPacketRules(outer, outerRules(privateAddress)),
      applySettings(outer, { 'net/ipv4/ip_forward': '1' }),
    ]);
    const gateway = uplinkInternetEnd.address;
    await Promise.all([
      applyIpCommands(name, [
        ...ownCommands(address),
        `route replace ${functionsApi.address}/32 via ${gateway} dev rt0`,
        `link set vpc0 mtu ${mtu} up`,
        `address replace ${address}/32 dev vpc0`,
        `neigh replace ${gateway} lladdr ${uplinkInternetEnd.mac} dev vpc0 nud permanent`,
        `route replace default via ${gateway} dev vpc0 onlink`,
      ]),
      applyPacketRules(name, apiRules(address)),
      applySettings(name, { 'net/ipv4/conf/all/route_localnet': '1' }),
    ]);
    return slot;
  }

  #draw(): Slot {
    if (this.#taken.size >= slotsMax) throw new PilviError('CommandFailed', `There are ${slotsMax} sandboxes already.`);
    let number: number;
    do number = this.#next++ % slotsMax;
    while (this.#taken.has(number));
    this.#taken.add(number);
    return { number, path: namespacePath(nameOf(number)), address: formatIp4(firstAddress + number), resolver: resolverAddress };
  }
}

function nameOf(number: number): string {
  return `f-${number}`;
}

function deviceOf(number: number): string {
  return `f${number}`;
}

function rootCommands(number: number, address: string): string[] {
  const device = deviceOf(number);
  return [
    `netns add ${nameOf(number)}`,
    `link add name ${device} address ${uplinkInternetEnd.mac} mtu ${mtu} type veth peer name rt0 netns ${nameOf(number)}`,
    `link set ${device} up`,
    `route replace ${address}/32 dev ${device}`,
  ];
}

function ownCommands(address: string): string[] {
  const { address: gateway, mac } = uplinkInternetEnd;
  return [
    'link set lo up',
    `address replace ${address}/32 dev rt0`,
    `link set rt0 mtu ${mtu} up`,
    `route replace ${gateway}/32 dev rt0 scope link`,
    `neigh replace ${gateway} lladdr ${mac} dev rt0 nud permanent`,
  ];
}

/** What is sent to the API on the sandbox's own loopback goes to the plane's listener. */
function apiRules(address: string): string {
  return [
    `add table ip ${table}`,
    `add chain ip ${table} out { type nat hook output priority -100; policy accept; }`,
    `add rule ip ${table} out ip daddr 127.0.0.1 tcp dport ${functionsApi.port} dnat to ${functionsApi.address}:${functionsApi.port}`,
    `add chain ip ${table} after { type nat hook postrouting priority 100; policy accept; }`,
    `add rule ip ${table} after ip saddr 127.0.0.0/8 oifname "rt0" snat to ${address}`,
    '',
  ].join('\n');
}

/** In the namespace of a network's device: sandboxes leave under its address, and nothing else comes to them. */
function outerRules(address: string): string {
  return [
    `add table ip ${table}`,
    `delete table ip ${table}`,
    `add table ip ${table}`,
    `add chain ip ${table} after { type nat hook postrouting priority 100; policy accept; }`,
    `add rule ip ${table} after ip saddr ${functionsCidr} snat to ${address}`,
    `add chain ip ${table} pass { type filter hook forward priority 0; policy drop; }`,
    `add rule ip ${table} pass ip saddr ${functionsCidr} ip daddr != ${functionsCidr} accept`,
    `add rule ip ${table} pass ct state established,related accept`,
    '',
  ].join('\n');
}

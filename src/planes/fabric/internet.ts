/**
 * The internet of the cloud: the network namespace in which Pilvi itself runs. Public addresses that are in use are routed to their networks, all
 * others end in a blackhole. It has no way out, so other destinations are unreachable at once, which spares programs their timeouts.
 */
import { applyIpCommands, ownLinkNames } from '../../machine/link.ts';
import { applyPacketRules } from '../../machine/nft.ts';
import { applySettings, hasIp6 } from '../../machine/sysctl.ts';
import {
  doorCidr,
  functionsApi,
  functionsCidr,
  hostAddress,
  hostedAddress,
  internetCidr,
  internetCidr6,
  metadataAddress,
  metadataPort,
  nameServerBlock,
  platformBlocks,
  proberBlock,
  registryBlock,
  resolverAddress,
  resolverPort,
  serviceCidr,
} from './addresses.ts';
import { firewallTable } from './plan-firewall.ts';

/**
 * Prepares this process's network namespace. `openPorts` are TCP ports of the platform's own address that machines may connect to; it listens on the first, to which all lead. Safe to repeat.
 * Resolves with the names of the links that were there. Throws `CommandFailed`.
 */
export async function prepareInternet(openPorts: readonly number[]): Promise<readonly string[]> {
  const ip6 = hasIp6();
  const [links] = await Promise.all([
    ownLinkNames(),
    applyPacketRules(undefined, internetRules(openPorts)),
    applyIpCommands(undefined, [
      `route replace blackhole ${internetCidr}`,
      `route replace blackhole ${serviceCidr}`,
      ...(ip6 ? [`route replace blackhole ${internetCidr6}`] : []),
      'link set lo up',
      // Every address of these blocks is this namespace's own, without being listed one by one.
      ...[nameServerBlock, registryBlock, proberBlock, doorCidr].map((block) => `route replace local ${block} dev lo`),
      ...[hostAddress, hostedAddress, functionsApi.address, metadataAddress, resolverAddress].map(
        (address) => `address replace ${address}/32 dev lo`,
      ),
    ]),
    applySettings(undefined, {
      ...(ip6 ? { 'net/ipv6/conf/all/forwarding': '1' } : {}),
      'net/ipv4/ip_forward': '1',
      // Strict: a packet must come from the network that its source is routed to, so nobody forges another's public address.
      'net/ipv4/conf/all/rp_filter': '1',
      'net/ipv4/conf/default/rp_filter': '1',
      'net/ipv4/conf/all/send_redirects': '0',
      'net/ipv4/conf/default/send_redirects': '0',
    }),
  ]);
  return links;
}

/** Kernel settings of a network's namespace. Devices that exist are named, because they took their settings from the host's defaults. */
export function networkSettings(devices: Iterable<string>, dual: boolean): Record<string, string> {
  const settings: Record<string, string> = {
    'net/ipv4/ip_forward': '1',
    'net/ipv4/conf/all/proxy_arp': '1',
    ...ip6Settings(dual),
    'net/ipv4/conf/all/rp_filter': '0',
    'net/ipv4/conf/default/rp_filter': '0',
  };
  for (const device of devices) settings[`net/ipv4/conf/${device}/rp_filter`] = '0';
  return settings;
}

/** Whether a network's namespace speaks IPv6: all its devices, and those to come. */
export function ip6Settings(dual: boolean): Record<string, string> {
  const off = dual ? '0' : '1';
  return {
    'net/ipv6/conf/all/disable_ipv6': off,
    'net/ipv6/conf/default/disable_ipv6': off,
    ...(dual ? { 'net/ipv6/conf/all/forwarding': '1' } : {}),
  };
}

/** TCP ports under which clients ask the API by its names: plain and encrypted. */
const webPorts = [80, 443];

/** Between networks only public addresses travel; in comes what platform services and the open ports want, and ping. */
function internetRules(openPorts: readonly number[]): string {
  const ports = `tcp dport { ${openPorts.join(', ')} } accept`;
  const open = openPorts.length === 0 ? [] : [`ip daddr { ${hostAddress}, ${hostedAddress} } ${ports}`];
  const doors = openPorts.length === 0 ? [] : [`ip saddr ${serviceCidr} ip daddr ${doorCidr} ${ports}`];
  const rules = {
    input: [
      'iifname "lo" accept',
      'ct state established,related accept',
      `ip saddr ${serviceCidr} ip daddr ${metadataAddress} tcp dport ${metadataPort} accept`,
      `ip saddr ${serviceCidr} ip daddr ${resolverAddress} meta l4proto { tcp, udp } th dport ${resolverPort} accept`,
      ...doors,
      ...open.map((rule) => `ip saddr ${serviceCidr} ct status dnat ${rule}`),
      `ip saddr ${functionsCidr} ip daddr ${functionsApi.address} tcp dport ${functionsApi.port} accept`,
      `ip saddr ${functionsCidr} ip daddr ${resolverAddress} meta l4proto { tcp, udp } th dport ${resolverPort} accept`,
      `ip saddr != ${internetCidr} drop`,
      `ip daddr ${hostAddress} icmp type echo-request accept`,
      `ip daddr { ${nameServerBlock}, ${registryBlock} } meta l4proto { tcp, udp } th dport 53 accept`,
      ...open,
    ],
    forward: [
      `ip daddr ${functionsCidr} ct state established,related accept`,
      `ip daddr ${functionsCidr} drop`,
      `ip saddr ${internetCidr} ip daddr ${internetCidr} accept`,
      // From a passage of one network to the one that admits it, and back: no other packet leaves a network with such addresses.
      `ip saddr ${serviceCidr} ip daddr ${serviceCidr} accept`,
      // Nobody forges another's address: IPv6 has no such check in the kernel.
      `ip6 saddr ${internetCidr6} ip6 daddr ${internetCidr6} fib saddr . iif oif != 0 accept`,
    ],
  };
  const table = `inet ${firewallTable}`;
  const lines = [`add table ${table}`, `delete table ${table}`, `add table ${table}`];
  for (const [chain, list] of Object.entries(rules)) {
    lines.push(`add chain ${table} ${chain} { type filter hook ${chain} priority 0; policy drop; }`);
    for (const rule of list) lines.push(`add rule ${table} ${chain} ${rule}`);
  }
  const [first] = openPorts;
  if (first !== undefined) {
    // Under its names in the real cloud the API is asked on the web's ports; at a door, under the door's address.
    lines.push(`add chain ${table} web { type nat hook prerouting priority -100; policy accept; }`);
    const own = `ip daddr { ${[hostAddress, ...platformBlocks].join(', ')} }`;
    const toApi = `tcp dport { ${[...webPorts, ...openPorts].join(', ')} } dnat ip to ${hostAddress}:${first}`;
    lines.push(`add rule ${table} web ip daddr ${hostedAddress} tcp dport 80 dnat ip to ${hostedAddress}:${first}`);
    lines.push(`add rule ${table} web ip daddr ${hostedAddress} return`);
    lines.push(`add rule ${table} web ${own} ${toApi}`);
    // The platform itself asks under the same names, as who fetches the keys of a pool's tokens.
    lines.push(`add chain ${table} own { type nat hook output priority -100; policy accept; }`);
    lines.push(`add rule ${table} own ${own} ${toApi}`);
    lines.push(
      `add rule ${table} web ip saddr ${serviceCidr} ip daddr ${doorCidr} tcp dport { ${webPorts.join(', ')} } dnat to :${first}`,
    );
  }
  return `${lines.join('\n')}\n`;
}

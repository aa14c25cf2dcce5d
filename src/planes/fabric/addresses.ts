/**
 * Addresses and names that the fabric itself uses, and the service addresses by which the platform's own services know a port. Everything here
 * lies in ranges that no user's network can hold or, for the service addresses, that are never routed inside a user's network.
 */
import { formatIp4, parseIp4 } from '../../base/cidr.ts';

/** Public addresses: the internet of the cloud (RFC 2544 benchmark range, never routed on the real internet). */
export const internetCidr = '198.18.0.0/15';
/** First block of the internet, kept for the platform. Public addresses for users start behind it. */
export const internetReservedCidr = '198.18.0.0/24';
/** The platform's own address on the internet: what machines see when the gateway connects to them for a client on the host. */
export const hostAddress = '198.18.0.1';
/** Port of the gateway for machines inside, on the cloud's own address. */
export const insidePort = 4566;
/** IPv6 addresses of networks: a part of what AWS has in us-east-1, routed nowhere here. */
export const internetCidr6 = '2600:1f00::/24';
/** Next hops of IPv6, as the IPv4 ends of links to the internet: known neighbours, never seen elsewhere. */
export const internetEnd6 = 'fe80::1';
export const networkEnd6 = 'fe80::2';
/** Blocks of the kept addresses in which the API answers too, so that rules and routes can name a part of it (AWS: prefix lists). */
export const platformBlocks = ['198.18.0.16/28', '198.18.0.32/28'];
/** One of them is kept apart on the way to the API, at port 80 alone: what comes there is for a host name of a user's. */
export const hostedAddress = '198.18.0.18';
/** Kept addresses at which name servers of public zones answer, UDP and TCP port 53. */
export const nameServerBlock = '198.18.0.64/26';
/** Kept addresses of the servers above them: the root's and that of the top-level zones. */
export const registryBlock = '198.18.0.48/28';
export const rootAddress = '198.18.0.48';
export const topLevelAddress = '198.18.0.49';
/** Kept addresses from which the platform probes what users ask it to watch. */
export const proberBlock = '198.18.0.128/25';
/** Sandboxes of functions that are attached to no network, the highest addresses of the internet; nothing begins a connection to them. */
export const functionsCidr = '198.19.240.0/20';
/** Where these sandboxes ask for what they are to do. */
export const functionsApi = { address: '198.18.0.2', port: 9001 };
export const metadataAddress = '169.254.169.254';
export const resolverAddress = '169.254.169.253';
export const metadataPort = 80;
export const resolverPort = 53;
/** Source addresses under which platform services see ports (RFC 6598 shared range); translated at the network's edge, so users may use it too. */
export const serviceCidr = '100.64.0.0/10';

/** Their last part, by which the platform's API knows the port that it is asked at (PortSpec.platform): addresses of the API itself. */
export const doorCidr = '100.127.0.0/16';

/** Ends of a link between a network and the internet. Every such link uses the same pair: they are next hops only and never leave the link. */
export const uplinkInternetEnd = { address: '169.254.0.1', mac: '02:00:00:00:00:01' };
export const uplinkNetworkEnd = { address: '169.254.0.2', mac: '02:00:00:00:00:02' };
/** What machines learn as the hardware address of their router, and of every neighbour, since all traffic passes the router. */
export const routerMac = 'fe:ff:ff:ff:ff:fe';
/** Device groups in a network's namespace: devices of ports, and devices about to go. A group is removed in one step, which 100 devices need. */
export const portGroup = 7;
export const goingGroup = 8;
/** Bytes. AWS networks carry jumbo frames of 9001; one size everywhere, so that no path needs fragmentation. */
export const mtu = 9001;

/** Hands out addresses of a range but its first and last. One is not used again until the whole range has been, so that a late packet is not taken for another port's. */
export class ServiceAddresses {
  readonly #first: number;
  readonly #count: number;
  #next = 0;
  readonly #byPort = new Map<string, string>();
  readonly #taken = new Set<string>();

  /** Service addresses unless told, but for those of doors. */
  constructor(first = '100.64.0.0', count = 2 ** 22 - 2 ** 16) {
    this.#first = (parseIp4(first) as number) + 1;
    this.#count = count - 2;
  }

  /** The address of a port, the same until `release`. Throws RangeError when all are taken. */
  of(network: string, port: string): string {
    const key = `${network} ${port}`;
    const known = this.#byPort.get(key);
    if (known !== undefined) return known;
    if (this.#taken.size === this.#count) throw new RangeError('All service addresses are in use.');
    for (;;) {
      const address = formatIp4(this.#first + (this.#next++ % this.#count));
      if (this.#taken.has(address)) continue;
      this.#taken.add(address);
      this.#byPort.set(key, address);
      return address;
    }
  }

  release(network: string, port: string): void {
    const key = `${network} ${port}`;
    const address = this.#byPort.get(key);
    if (address === undefined) return;
    this.#byPort.delete(key);
    this.#taken.delete(address);
  }
}

/** Where clients are: a table of address blocks, the longest that holds an address counts. Distances on the sphere. */
import { type Cidr, containsAddress, isCidr4, parseCidr, parseIp4, parseIp6 } from '../../../base/cidr.ts';
import type { DnsAsker } from '../types.ts';
import type { Place } from './types.ts';

/** The client's address: what its resolver says of it, else the asker's own. Undefined for text that is no address. */
export function clientAddress({ address, clientSubnet }: DnsAsker): number | bigint | undefined {
  const [ip = '', bits] = (clientSubnet ?? address).split('/');
  if (clientSubnet !== undefined && bits === '0') return addressOf(address);
  return addressOf(ip);
}

function addressOf(text: string): number | bigint | undefined {
  return parseIp4(text) ?? parseIp6(text);
}

/** Whether the block is of the address's family and holds it. */
export function holds(block: Cidr, address: number | bigint): boolean {
  return isCidr4(block) === (typeof address === 'number') && containsAddress(block, address);
}

/** Looks places up by address. */
export class PlaceTable {
  #entries: { block: Cidr; place: Place }[] = [];

  /** Replaces the whole table. Blocks that are none are left out. */
  set(entries: readonly { cidr: string; place: Place }[]): void {
    this.#entries = entries.flatMap(({ cidr, place }) => {
      const block = parseCidr(cidr);
      return block === undefined ? [] : [{ block, place }];
    });
    this.#entries.sort((a, b) => b.block.prefix - a.block.prefix);
  }

  find(asker: DnsAsker): Place | undefined {
    const address = clientAddress(asker);
    return address === undefined ? undefined : this.#entries.find(({ block }) => holds(block, address))?.place;
  }
}

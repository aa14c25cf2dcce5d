/** Asks another name server, as a forwarding resolver does: UDP first, TCP when the answer was cut. */
import { createSocket } from 'node:dgram';
import net from 'node:net';
import { type DecodedPacket, decode, encode, RECURSION_DESIRED, streamDecode, streamEncode } from 'dns-packet';
import type { DnsQuestion, DnsRecord, DnsReply, DnsStatus } from './types.ts';

const waitMillis = 2000;
const statuses: readonly DnsStatus[] = ['NOERROR', 'NOERROR', 'SERVFAIL', 'NXDOMAIN', 'SERVFAIL', 'REFUSED'];

export interface ForwardTarget {
  address: string;
  port: number;
  /** Address to ask from; the system's choice when absent. */
  from?: string | undefined;
  /** Takes a message there and brings the answer, where the system's own sockets do not lead. */
  carry?: ((message: Uint8Array, transport: 'udp' | 'tcp') => Promise<Uint8Array | undefined>) | undefined;
}

/** The reply of the first server that answers; undefined when none does within two seconds each. Never rejects. */
export async function forwardQuestion(question: DnsQuestion, targets: readonly ForwardTarget[]): Promise<DnsReply | undefined> {
  const id = Math.floor(Math.random() * 65_536);
  const name = question.name === '' ? '.' : question.name;
  const query = { id, type: 'query' as const, flags: RECURSION_DESIRED, questions: [{ name, type: question.type as 'A' }] };
  for (const target of targets) {
    const short = await askUdp(encode(query), id, target);
    const packet = short?.flag_tc === true ? ((await askTcp(streamEncode(query), target)) ?? short) : short;
    if (packet !== undefined) return readReply(packet);
  }
  return undefined;
}

function readReply(packet: DecodedPacket): DnsReply {
  const records = (list: DecodedPacket['answers']): DnsRecord[] =>
    (list ?? [])
      .filter((record): record is DnsRecord => record.type !== 'OPT')
      .map((record) => ({ ...record, name: record.name.toLowerCase() }));
  const code = (packet.flags ?? 0) & 15;
  return {
    status: statuses[code] ?? 'SERVFAIL',
    answers: records(packet.answers),
    authorities: records(packet.authorities),
    authoritative: packet.flag_aa,
  };
}

function parse(message: Buffer): DecodedPacket | undefined {
  try {
    return decode(message);
  } catch {
    return undefined;
  }
}

async function askUdp(query: Buffer, id: number, target: ForwardTarget): Promise<DecodedPacket | undefined> {
  const { address, port, from, carry } = target;
  if (carry !== undefined) {
    const answer = await carry(query, 'udp');
    const packet = answer === undefined ? undefined : parse(Buffer.from(answer));
    return packet?.id === id ? packet : undefined;
  }
  return new Promise((resolve) => {
    const socket = createSocket(net.isIPv6(address) ? 'udp6' : 'udp4');
    const timer = setTimeout(() => end(undefined), waitMillis);
    const end = (packet: DecodedPacket | undefined): void => {
      clearTimeout(timer);
      socket.close();
      resolve(packet);
    };
    socket.once('error', () => end(undefined));
    socket.on('message', (message, sender) => {
      const packet = sender.address === address ? parse(message) : undefined;
      if (packet?.id === id) end(packet);
    });
    socket.bind({ address: from ?? '', port: 0 }, () => socket.send(query, port, address, (error) => error && end(undefined)));
  });
}

async function askTcp(query: Buffer, { address, port, from, carry }: ForwardTarget): Promise<DecodedPacket | undefined> {
  if (carry !== undefined) {
    // The length before the message is the carrier's.
    const answer = await carry(query.subarray(2), 'tcp');
    return answer === undefined ? undefined : parse(Buffer.from(answer));
  }
  return new Promise((resolve) => {
    const socket = net.connect({ host: address, port, ...(from === undefined ? {} : { localAddress: from }) });
    let got: Buffer = Buffer.alloc(0);
    const end = (packet: DecodedPacket | undefined): void => {
      socket.destroy();
      resolve(packet);
    };
    socket
      .setTimeout(waitMillis, () => end(undefined))
      .on('error', () => end(undefined))
      .on('close', () => resolve(undefined));
    socket.on('connect', () => socket.write(query));
    socket.on('data', (chunk: Buffer) => {
      got = Buffer.concat([got, chunk]);
      if (got.length < 2 || got.length < 2 + got.readUInt16BE(0)) return;
      try {
        end(streamDecode(got) as DecodedPacket);
      } catch {
        end(undefined);
      }
    });
  });
}

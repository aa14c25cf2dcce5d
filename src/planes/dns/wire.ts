/**
 * Between messages and replies: what a query asks, and a reply as bytes of at most the size that the asker takes. The codec is npm's dns-packet;
 * what it does not parse is answered FORMERR when there is an id to answer to, and dropped otherwise.
 */
import {
  AUTHORITATIVE_ANSWER,
  type DecodedPacket,
  decode,
  encode,
  type OptAnswer,
  RECURSION_AVAILABLE,
  RECURSION_DESIRED,
  TRUNCATED_RESPONSE,
} from 'dns-packet';
import { plainName } from './resolve.ts';
import type { DnsQuestion, DnsReply, DnsStatus, DnsType } from './types.ts';

/** RFC 1035: a UDP message without EDNS; with it, what is safe on every path (DNS flag day 2020 recommends 1232). */
const plainBytesMax = 512;
const udpBytesMax = 1232;

const codes = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 } as const;
const headerBytes = 12;

/** A query that can be asked of the sources. */
export interface Query {
  packet: DecodedPacket;
  question: DnsQuestion;
  /** The client's subnet as it came: it goes back with the answer (RFC 7871). */
  subnetOption: { ip: string; family: number; prefix: number } | undefined;
  /** Largest UDP message the asker takes, bytes. */
  bytesMax: number;
  clientSubnet: string | undefined;
}

/** What a message asks, or bytes to answer at once, or undefined for what deserves no answer (answers, scraps). */
export function readQuery(message: Buffer): Query | Buffer | undefined {
  if (message.length < headerBytes || (message.readUInt8(2) & 0x80) !== 0) return undefined;
  let packet: DecodedPacket;
  try {
    packet = decode(message);
  } catch {
    return headerOnly(message, codes.FORMERR);
  }
  const opcode = (message.readUInt8(2) >> 3) & 0x0f;
  if (opcode !== 0) return headerOnly(message, codes.NOTIMP);
  const [first, second] = packet.questions ?? [];
  if (first === undefined || second !== undefined) return headerOnly(message, codes.FORMERR);
  if ((first.class ?? 'IN') !== 'IN') return headerOnly(message, codes.REFUSED);
  // Zone transfers are for other servers of a zone, of which there are none.
  if (first.type === 'AXFR' || first.type === 'IXFR') return headerOnly(message, codes.REFUSED);
  const [opt, another] = (packet.additionals ?? []).filter((record): record is OptAnswer => record.type === 'OPT');
  // RFC 6891: one OPT record at most; a version that is not known is answered with the one that is.
  if (another !== undefined) return headerOnly(message, codes.FORMERR);
  if (opt !== undefined && opt.ednsVersion !== 0) return badVersion(packet);
  const subnet = opt?.options?.find((option) => option.type === 'CLIENT_SUBNET');
  return {
    packet,
    question: { name: plainName(first.name === '.' ? '' : first.name), type: first.type as DnsType },
    subnetOption:
      subnet?.type === 'CLIENT_SUBNET' && subnet.ip !== undefined
        ? { ip: subnet.ip, family: subnet.ip.includes(':') ? 2 : 1, prefix: subnet.sourcePrefixLength ?? 0 }
        : undefined,
    bytesMax: opt === undefined ? plainBytesMax : Math.max(plainBytesMax, Math.min(opt.udpPayloadSize, udpBytesMax)),
    clientSubnet: subnet?.type === 'CLIENT_SUBNET' ? `${subnet.ip}/${subnet.sourcePrefixLength ?? 0}` : undefined,
  };
}

/** The reply as bytes. Over UDP one that is too large goes out empty and marked as cut, so that the asker comes again over TCP. */
export function writeReply(query: Query, reply: DnsReply, options: { recursive: boolean; bytesMax: number }): Buffer {
  const whole = encodeReply(query, reply, options.recursive, false);
  if (whole.length <= options.bytesMax) return whole;
  return encodeReply(query, { ...reply, answers: [], authorities: [] }, options.recursive, true);
}

function encodeReply({ packet, subnetOption }: Query, reply: DnsReply, recursive: boolean, cut: boolean): Buffer {
  const asked = packet.additionals?.some(({ type }) => type === 'OPT') === true;
  const { ip, family, prefix = 0 } = subnetOption ?? {};
  const subnet = { code: 8, ip, family, sourcePrefixLength: prefix, scopePrefixLength: prefix };
  const options = subnetOption === undefined ? [] : [subnet];
  const opt = { type: 'OPT', name: '.', udpPayloadSize: udpBytesMax, flags: 0, options } as unknown as OptAnswer;
  return encode({
    id: packet.id ?? 0,
    type: 'response',
    flags:
      codes[reply.status satisfies DnsStatus] |
      (reply.authoritative && !recursive ? AUTHORITATIVE_ANSWER : 0) |
      ((packet.flags ?? 0) & RECURSION_DESIRED) |
      (recursive ? RECURSION_AVAILABLE : 0) |
      (cut ? TRUNCATED_RESPONSE : 0),
    questions: packet.questions ?? [],
    answers: [...reply.answers],
    authorities: [...reply.authorities],
    additionals: [...(cut ? [] : (reply.glue ?? [])), ...(asked ? [opt] : [])],
  });
}

/** BADVERS: its upper bits stand in the OPT record. */
function badVersion({ id, flags = 0, questions = [] }: DecodedPacket): Buffer {
  const opt = { type: 'OPT', name: '.', udpPayloadSize: udpBytesMax, extendedRcode: 1, flags: 0, options: [] };
  return encode({
    id: id ?? 0,
    type: 'response',
    flags: flags & RECURSION_DESIRED,
    questions,
    additionals: [opt as unknown as OptAnswer],
  });
}

/** The query's header turned into a refusal. */
function headerOnly(message: Buffer, code: number): Buffer {
  const answer = Buffer.alloc(headerBytes);
  message.copy(answer, 0, 0, 2);
  answer.writeUInt8(0x80 | (message.readUInt8(2) & 0x79), 2);
  answer.writeUInt8(code, 3);
  return answer;
}

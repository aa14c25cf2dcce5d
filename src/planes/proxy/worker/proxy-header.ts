/** The header of the PROXY protocol, version 2, by which a target learns whose connection it gets (haproxy.org, "The PROXY protocol", section 2.2). */
import { parseIp4 } from '../../../base/cidr.ts';

const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
/** Version 2 with a command: a connection of the node's own, or in a client's name. */
const [local, proxied] = [0x20, 0x21];
const tcpOverIp4 = 0x11;

interface End {
  address: string;
  port: number;
}

/** Of a client's connection: from where, and where to. Both IPv4. */
export function proxyHeader(from: End, to: End): Buffer {
  const rest = Buffer.alloc(16);
  rest.writeUInt8(proxied, 0);
  rest.writeUInt8(tcpOverIp4, 1);
  rest.writeUInt16BE(12, 2);
  rest.writeUInt32BE(parseIp4(from.address) ?? 0, 4);
  rest.writeUInt32BE(parseIp4(to.address) ?? 0, 8);
  rest.writeUInt16BE(from.port, 12);
  rest.writeUInt16BE(to.port, 14);
  return Buffer.concat([signature, rest]);
}

/** Of a connection that the node opens for itself: a health check. */
export const localHeader: Buffer = Buffer.concat([signature, Buffer.from([local, 0, 0, 0])]);

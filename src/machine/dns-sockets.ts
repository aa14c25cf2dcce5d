/** The host's own port for DNS: one TCP and one UDP socket with the same number, opened on the host and handed to the inside. */
import { createSocket, type Socket } from 'node:dgram';
import net, { type AddressInfo } from 'node:net';

export interface DnsSockets {
  port: number;
  /** Descriptors of the TCP and the UDP socket, for a child process. */
  descriptors: readonly [tcp: number, udp: number];
  close(): Promise<void>;
}

/** Opens both on a port; 0 takes any that is free for both. Rejects with the system's error when one is taken. */
export async function openDnsSockets(host: string, port: number): Promise<DnsSockets> {
  const tcp = net.createServer();
  await new Promise<void>((resolve, reject) => {
    tcp.once('error', reject).listen({ host, port }, () => resolve());
  });
  const { port: taken } = tcp.address() as AddressInfo;
  const udp = createSocket(net.isIPv6(host) ? 'udp6' : 'udp4');
  try {
    await new Promise<void>((resolve, reject) => {
      udp.once('error', reject).bind({ address: host, port: taken, exclusive: true }, () => resolve());
    });
  } catch (error) {
    await new Promise((resolve) => tcp.close(resolve));
    udp.close();
    throw error;
  }
  return {
    port: taken,
    descriptors: [(tcp as unknown as { _handle: { fd: number } })._handle.fd, datagramDescriptor(udp)],
    async close() {
      await Promise.all([new Promise((resolve) => tcp.close(resolve)), new Promise<void>((resolve) => udp.close(resolve))]);
    },
  };
}

/** Node has no public name for a datagram socket's descriptor; the state behind it has been the same since Node 12. */
function datagramDescriptor(socket: Socket): number {
  const symbol = Object.getOwnPropertySymbols(socket).find(({ description }) => description === 'state symbol');
  const state = symbol === undefined ? undefined : (socket as unknown as Record<symbol, { handle?: { fd: number } }>)[symbol];
  const fd = state?.handle?.fd;
  if (fd === undefined || fd < 0) throw new TypeError('A datagram socket that is handed over must be bound.');
  return fd;
}

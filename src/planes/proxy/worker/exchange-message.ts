/** One message out and its answer back, from a node's own address: a datagram, or on a stream behind its length in two bytes as name servers take it. */
import dgram from 'node:dgram';
import net from 'node:net';
import type { MessageExchange } from '../types.ts';

/** The answer, base64; undefined when none comes in time. Never rejects. */
export function exchangeMessage(
  asked: Omit<MessageExchange, 'message'> & { message: string },
  from: string,
): Promise<string | undefined> {
  const message = Buffer.from(asked.message, 'base64');
  return asked.transport === 'udp' ? byDatagram(asked, message, from) : byStream(asked, message, from);
}

type Where = Pick<MessageExchange, 'address' | 'port' | 'timeoutMillis'>;

function byDatagram({ address, port, timeoutMillis }: Where, message: Buffer, from: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = dgram.createSocket('udp4');
    const end = (answer: Buffer | undefined): void => {
      clearTimeout(timer);
      socket.removeAllListeners().on('error', () => {});
      socket.close();
      resolve(answer?.toString('base64'));
    };
    const timer = setTimeout(() => end(undefined), timeoutMillis);
    socket.on('error', () => end(undefined));
    socket.on('message', (answer, sender) => sender.address === address && sender.port === port && end(answer));
    socket.bind(0, from, () => socket.send(message, port, address));
  });
}

function byStream({ address, port, timeoutMillis }: Where, message: Buffer, from: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: address, port, localAddress: from });
    let got: Buffer = Buffer.alloc(0);
    const end = (answer: Buffer | undefined): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer?.toString('base64'));
    };
    const timer = setTimeout(() => end(undefined), timeoutMillis);
    socket.on('error', () => end(undefined)).on('end', () => end(undefined));
    socket.on('connect', () => {
      const length = Buffer.alloc(2);
      length.writeUInt16BE(message.length);
      socket.write(Buffer.concat([length, message]));
    });
    socket.on('data', (chunk: Buffer) => {
      got = Buffer.concat([got, chunk]);
      if (got.length >= 2 && got.length >= 2 + got.readUInt16BE(0)) end(got.subarray(2, 2 + got.readUInt16BE(0)));
    });
  });
}

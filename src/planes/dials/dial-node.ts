/** The process that opens connections in a namespace and hands them to the process that started it. */
import net from 'node:net';
import { serveQuestions } from '../node-processes.ts';
import type { DialTarget } from './types.ts';

type DialQuestion = { ask: 'apply' } | { ask: 'connect'; target: DialTarget };

/** Serves until the channel to the parent closes. */
export function runDialNode(): Promise<void> {
  return serveQuestions<DialQuestion>(async (question) => (question.ask === 'connect' ? connect(question.target) : undefined));
}

/** Resolves with a connected socket from which nothing was read. */
function connect({ address, port, timeoutMillis }: DialTarget): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host: address, port, noDelay: true });
    socket.pause();
    const timer = setTimeout(() => socket.destroy(new Error('The connection timed out.')), timeoutMillis);
    socket.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    socket.once('connect', () => {
      clearTimeout(timer);
      resolve(socket);
    });
  });
}

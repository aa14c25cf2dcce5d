/** Many questions in a row over UDP, as a stub resolver asks them: a process for each, as dig is one, would be too slow. */
import { createSocket } from 'node:dgram';
import { decode, encode } from 'dns-packet';

/** Asks A records so many times; how often each address stood first. Throws when an answer is lost for two seconds. */
export async function askMany(port: number, name: string, times: number): Promise<Map<string, number>> {
  const socket = createSocket('udp4');
  const first = new Map<string, number>();
  try {
    for (let id = 1; id <= times; id += 1) {
      const message = await new Promise<Buffer>((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`No answer for ${name}.`)), 2000);
        socket.once('message', (answer) => {
          clearTimeout(timer);
          resolve(answer);
        });
        socket.send(encode({ id, type: 'query', questions: [{ type: 'A', name: name.replace(/\.$/, '') }] }), port, '127.0.0.1');
      });
      const [record] = decode(message).answers ?? [];
      const address = record?.type === 'A' ? record.data : 'none';
      first.set(address, (first.get(address) ?? 0) + 1);
    }
  } finally {
    socket.close();
  }
  return first;
}

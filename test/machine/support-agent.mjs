// A program that tests start inside a machine's network namespace. It takes one JSON command on each line of standard input and answers each with one
// line: what a client or server there would see. Plain JavaScript, because it is started with `node` as it is.
import dgram from 'node:dgram';
import net from 'node:net';
import readline from 'node:readline';

const connections = new Map();

const commands = {
  // Answers each connection with the address it came from, then echoes.
  listen: ({ port, host }) =>
    new Promise((resolve) => {
      const server = net.createServer((socket) => {
        socket.on('error', () => {});
        socket.write(`${socket.remoteAddress}\n`);
        socket.pipe(socket);
      });
      server.on('error', (error) => resolve(error.code));
      server.listen(port, host ?? '0.0.0.0', () => resolve('listening'));
    }),
  listenUdp: ({ port }) =>
    new Promise((resolve) => {
      const socket = dgram.createSocket('udp4');
      socket.on('message', (_message, from) => socket.send(from.address, from.port, from.address));
      socket.bind(port, () => resolve('listening'));
    }),
  // `open <address that the server saw>`, `refused`, `timeout`, or the error's code. With `keep`, the connection stays for `say`.
  connect: ({ host, port, timeoutMs, keep, localAddress }) =>
    new Promise((resolve) => {
      const socket = net.connect({ host, port, localAddress });
      const end = (answer) => {
        clearTimeout(timer);
        if (keep === undefined || !answer.startsWith('open')) socket.destroy();
        resolve(answer);
      };
      const timer = setTimeout(() => end('timeout'), timeoutMs);
      socket.once('data', (data) => end(`open ${String(data).trim()}`));
      socket.on('error', (error) => end(error.code === 'ECONNREFUSED' ? 'refused' : error.code));
      if (keep !== undefined) connections.set(keep, socket);
    }),
  // Sends a line over a kept connection and answers what came back, or `timeout`.
  say: ({ keep, text, timeoutMs }) =>
    new Promise((resolve) => {
      const socket = connections.get(keep);
      const timer = setTimeout(() => resolve('timeout'), timeoutMs);
      socket.once('data', (data) => {
        clearTimeout(timer);
        resolve(String(data).trim());
      });
      socket.write(`${text}\n`);
    }),
  udp: ({ host, port, timeoutMs }) =>
    new Promise((resolve) => {
      const socket = dgram.createSocket('udp4');
      const end = (answer) => {
        clearTimeout(timer);
        socket.close();
        resolve(answer);
      };
      const timer = setTimeout(() => end('timeout'), timeoutMs);
      socket.once('message', (message) => end(`answer ${message}`));
      socket.once('error', (error) => end(error.code === 'ECONNREFUSED' ? 'refused' : error.code));
      socket.connect(port, host, () => socket.send('hello'));
    }),
};

for await (const line of readline.createInterface({ input: process.stdin })) {
  const { id, command, ...rest } = JSON.parse(line);
  commands[command](rest).then((answer) => process.stdout.write(`${JSON.stringify({ id, answer })}\n`));
}
process.exit(0);

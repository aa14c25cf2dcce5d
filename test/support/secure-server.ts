/** An HTTP and HTTPS server inside the cloud, with a certificate of the cloud's own authority: for what services send to their users' endpoints. */
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { AllocateAddressCommand, AssociateAddressCommand } from '@aws-sdk/client-ec2';
import { eventually, type OwnCloud } from './cloud.ts';
import { fetchInside } from './inside.ts';
import { base64, Lab } from '../services/ec2/support.ts';

/** A key and a certificate for an address, signed by the cloud's authority, as PEM in one text. */
async function certified(cloud: OwnCloud, address: string): Promise<string> {
  await fetch(`${cloud.endpoint}/_pilvi/ca.pem`);
  const file = (name: string) => path.join(cloud.data, name);
  const run = promisify(execFile);
  await run('openssl', [
    'req',
    '-new',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-keyout',
    file('s.key'),
    '-out',
    file('s.csr'),
    '-subj',
    '/CN=sink',
  ]);
  const sign = `subjectAltName=IP:${address}`;
  await writeFile(file('s.ext'), sign);
  const ca = ['-CA', file('ca.pem'), '-CAkey', file('ca-key.pem'), '-CAcreateserial', '-CAserial', file('s.srl')];
  await run('openssl', [
    'x509',
    '-req',
    '-in',
    file('s.csr'),
    ...ca,
    '-days',
    '30',
    '-extfile',
    file('s.ext'),
    '-out',
    file('s.pem'),
  ]);
  return `${await readFile(file('s.key'), 'utf8')}${await readFile(file('s.pem'), 'utf8')}`;
}

/** What came to the server by POST. */
export interface Seen {
  path: string;
  /** By HTTPS. */
  secure: boolean;
  headers: Record<string, string>;
  /** As text, unpacked. */
  body: string;
}

/** How a path is answered, as lines of Python: `path`, `body` and `count` (of what came so far) are there, `return status, bytes` answers. */
export type Answers = string;

/** HTTPS on 443 and HTTP on 80 take POSTs and answer them; GET on 80 tells what came. */
function userData(pem: string, answers: Answers): string {
  return `#!/bin/bash
cat > /server.pem <<'END'
${pem}END
cat > /server.py <<'END'
import gzip, http.server, json, ssl, threading
seen = []
def answer(path, body, count):
${answers.replaceAll(/^/gm, '    ')}
    return 200, b'{}'
class Server(http.server.BaseHTTPRequestHandler):
    def reply(self, status, body):
        self.send_response(status)
        self.send_header('content-length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        self.reply(200, json.dumps(seen).encode())
    def do_POST(self):
        body = self.rfile.read(int(self.headers['content-length'] or 0))
        if self.headers['content-encoding'] == 'gzip':
            body = gzip.decompress(body)
        headers = {name.lower(): value for name, value in self.headers.items()}
        seen.append({'path': self.path, 'secure': self.server.server_port == 443, 'headers': headers, 'body': body.decode()})
        self.reply(*answer(self.path, body, len(seen)))
    def log_message(self, *words):
        pass
secure = http.server.ThreadingHTTPServer(('0.0.0.0', 443), Server)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain('/server.pem')
secure.socket = context.wrap_socket(secure.socket, server_side=True)
threading.Thread(target=secure.serve_forever).start()
http.server.ThreadingHTTPServer(('0.0.0.0', 80), Server).serve_forever()
END
python3 /server.py > /dev/null 2>&1 &
`;
}

/** Runs the server on an instance with an Elastic IP and waits until it answers. Returns its address, and how to see what came. */
export async function secureServer(
  cloud: OwnCloud,
  block: string,
  answers: Answers = 'pass',
): Promise<{ lab: Lab; address: string; seen: () => Promise<Seen[]> }> {
  const lab = new Lab(cloud.endpoint);
  const { subnetId, groupId } = await lab.network(block);
  await lab.allow(groupId, 'tcp', 443, 443, '0.0.0.0/0');
  const { AllocationId, PublicIp: address = '' } = await lab.ec2.send(new AllocateAddressCommand({ Domain: 'vpc' }));
  const UserData = base64(userData(await certified(cloud, address), answers));
  const id = await lab.launch({ SubnetId: subnetId, SecurityGroupIds: [groupId], UserData });
  await lab.inState(id, 'running');
  await lab.ec2.send(new AssociateAddressCommand({ AllocationId, InstanceId: id }));
  const seen = async (): Promise<Seen[]> => {
    const answer = await fetchInside(address, 80, '/', cloud.endpoint);
    if (typeof answer === 'string') throw new Error(answer);
    return JSON.parse(answer.body) as Seen[];
  };
  await eventually(seen, { why: 'the server answers', timeoutMs: 25_000 });
  return { lab, address, seen };
}

/**
 * What a call of KMS costs: Encrypt and GenerateDataKey, signed, authorised by the key's policy, under one key. Where moto's server is on the machine, the
 * same requests are sent to it in the same run.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { KMSClient, CreateKeyCommand } from '@aws-sdk/client-kms';
import { load, type Measurement, ourUrl, type Server, sign, startMoto, startServer } from './cloud.ts';

const requests = 6000;
const motoRequests = 500;
const warmUp = 500;

const inputs = {
  Encrypt: { Plaintext: Buffer.alloc(64, 1).toString('base64'), EncryptionContext: { app: 'bench' } },
  GenerateDataKey: { KeySpec: 'AES_256', EncryptionContext: { app: 'bench' } },
} as const;

/** Requests a second of each operation against one server. */
async function rates(server: Server, count: number): Promise<Map<string, { perSecond: number; p50: number; p99: number }>> {
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  const client = new KMSClient({ endpoint: server.url.href, region: 'us-east-1', credentials });
  const { KeyMetadata } = await client.send(new CreateKeyCommand({}));
  client.destroy();
  const found = new Map<string, { perSecond: number; p50: number; p99: number }>();
  for (const [operation, input] of Object.entries(inputs)) {
    const body = JSON.stringify({ KeyId: KeyMetadata?.KeyId, ...input });
    const call = await sign(server.url, 'kms', body, `TrentService.${operation}`);
    await load(server.url, call, Math.min(warmUp, count));
    found.set(operation, await load(server.url, call, count));
  }
  return found;
}

export async function bench(): Promise<Measurement[]> {
  const measured: Measurement[] = [];
  const data = await mkdtemp(path.join(tmpdir(), 'pilvi-bench-'));
  try {
    const ours = await startServer([process.execPath, 'dist/pilvi.js', 'start', '--port', '0', '--data', data], ourUrl);
    const mine = await rates(ours, requests).finally(() => ours.stop());
    for (const [operation, { perSecond, p50, p99 }] of mine) {
      measured.push({ name: `${operation}, signed`, value: perSecond, unit: 'requests/s' });
      measured.push({ name: `${operation}, p50`, value: p50, unit: 'ms' }, { name: `${operation}, p99`, value: p99, unit: 'ms' });
    }
    const moto = await startMoto().catch(() => undefined);
    if (moto === undefined) return [...measured, { name: 'moto_server is not on this machine', value: 0, unit: 'ratio' }];
    for (const [operation, { perSecond }] of await rates(moto, motoRequests).finally(() => moto.stop())) {
      measured.push({ name: `${operation} of moto's server`, value: perSecond, unit: 'requests/s' });
      const ratio = (mine.get(operation)?.perSecond ?? 0) / perSecond;
      measured.push({ name: `${operation}, ours against moto's`, value: ratio, unit: 'ratio' });
    }
    return measured;
  } finally {
    await rm(data, { recursive: true, force: true });
  }
}

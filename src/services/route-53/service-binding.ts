/** SVCB and HTTPS records from their text (RFC 9460): priority, target, parameters; the codec of DNS messages does not know them. */
import { parseIp4, parseIp6 } from '../../base/cidr.ts';
import { dnsName, nameProblem, normalName } from './names.ts';

const keys: Readonly<Record<string, number>> = {
  ...{ mandatory: 0, alpn: 1, 'no-default-alpn': 2, port: 3, ipv4hint: 4, ech: 5, ipv6hint: 6 },
};

/** The record's data as bytes; undefined for text that is none. */
export function parseServiceBinding(text: string): Buffer | undefined {
  const [priority = '', target = '', ...rest] = text.trim().match(/(?:[^\s"]|"[^"]*")+/g) ?? [];
  if (!/^\d+$/.test(priority) || Number(priority) > 65_535) return undefined;
  if (target !== '.' && nameProblem(target) !== undefined) return undefined;
  const parameters = new Map<number, Buffer>();
  for (const part of rest) {
    const [name = '', value = ''] = part.split(/=(.*)/s);
    const key = keys[name] ?? (/^key\d+$/.test(name) ? Number(name.slice(3)) : undefined);
    const bytes =
      key === undefined || key > 65_535 || parameters.has(key) ? undefined : encodeParameter(key, value.replaceAll('"', ''));
    if (key === undefined || bytes === undefined) return undefined;
    parameters.set(key, bytes);
  }
  // Alias form has no parameters.
  if (Number(priority) === 0 && parameters.size > 0) return undefined;
  const ordered = [...parameters].sort(([a], [b]) => a - b).flatMap(([key, value]) => [two(key), two(value.length), value]);
  return Buffer.concat([two(Number(priority)), encodeName(target), ...ordered]);
}

function two(number: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(number);
  return bytes;
}

function encodeName(text: string): Buffer {
  const labels = text === '.' ? [] : dnsName(normalName(text)).split('.');
  return Buffer.concat([
    ...labels.flatMap((label) => [Buffer.from([label.length]), Buffer.from(label, 'latin1')]),
    Buffer.from([0]),
  ]);
}

function encodeParameter(key: number, value: string): Buffer | undefined {
  const list = value.split(',');
  switch (key) {
    case keys['mandatory']: {
      const codes = list.map((name) => keys[name]);
      return codes.includes(undefined) ? undefined : Buffer.concat(codes.map((code) => two(code ?? 0)));
    }
    case keys['alpn']:
      if (list.some((one) => one === '' || one.length > 255)) return undefined;
      return Buffer.concat(list.map((one) => Buffer.concat([Buffer.from([one.length]), Buffer.from(one)])));
    case keys['no-default-alpn']:
      return value === '' ? Buffer.alloc(0) : undefined;
    case keys['port']:
      return /^\d+$/.test(value) && Number(value) <= 65_535 ? two(Number(value)) : undefined;
    case keys['ipv4hint']: {
      const addresses = list.map(parseIp4);
      if (addresses.includes(undefined)) return undefined;
      return Buffer.concat(addresses.map((one) => Buffer.from((one ?? 0).toString(16).padStart(8, '0'), 'hex')));
    }
    case keys['ipv6hint']: {
      const addresses = list.map(parseIp6);
      if (addresses.includes(undefined)) return undefined;
      return Buffer.concat(addresses.map((one) => Buffer.from((one ?? 0n).toString(16).padStart(32, '0'), 'hex')));
    }
    case keys['ech']:
      return Buffer.from(value, 'base64');
    default:
      return Buffer.from(value, 'latin1');
  }
}

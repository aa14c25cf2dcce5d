/** Options that several commands share: where a cloud listens and where it keeps its data. */
import { homedir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { PilviError } from '../base/errors.ts';
import { parseBlobPlace } from '../planes/blobs/place.ts';

/** The port of the free local cloud that everyone used, so that nobody has to change an endpoint. */
export const defaultPort = 4566;

/** The usual port for DNS beside the usual port; clouds on other ports take any that is free. */
const defaultDnsPort = 4553;

export interface StartOptions {
  host: string;
  port: number;
  /** Port of the host at which public zones are answered, UDP and TCP. */
  dnsPort: number;
  data: string;
  detach: boolean;
  validateOutput: boolean;
  strictImages: boolean;
  newAccounts: boolean;
  /** Where bytes go instead of files (planes/blobs/place.ts); checked. */
  blobs: string | undefined;
}

/** Reads `--port --dns-port --host --data --detach --validate-output --strict-images --new-accounts --blobs`. Throws PilviError BadOption. */
export function parseStartOptions(args: readonly string[]): StartOptions {
  const {
    port,
    'dns-port': dnsText,
    host,
    data,
    detach,
    'validate-output': validateOutput,
    'strict-images': strictImages,
    'new-accounts': newAccounts,
    blobs,
  } = parse(args);
  if (blobs !== undefined) parseBlobPlace(blobs);
  const number = parsePort(port);
  const dnsPort = dnsText === undefined ? (number === defaultPort ? defaultDnsPort : 0) : parsePort(dnsText);
  return {
    host,
    port: number,
    dnsPort,
    data: path.resolve(data ?? defaultData(number)),
    detach,
    validateOutput,
    strictImages,
    newAccounts,
    blobs,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        port: { type: 'string', default: String(defaultPort) },
        'dns-port': { type: 'string' },
        host: { type: 'string', default: '127.0.0.1' },
        data: { type: 'string' },
        detach: { type: 'boolean', default: false },
        'validate-output': { type: 'boolean', default: false },
        'strict-images': { type: 'boolean', default: false },
        'new-accounts': { type: 'boolean', default: false },
        blobs: { type: 'string' },
      },
    }).values;
  } catch (error) {
    throw misreading(error);
  }
}

/** What Node says of arguments that it cannot read, without its advice about positional arguments, which none of ours needs. */
export function misreading(error: unknown): PilviError {
  const [what = ''] = (error as Error).message.split(/\. |\n/);
  return new PilviError('BadOption', what.endsWith('.') ? what : `${what}.`);
}

/** A port number from text; 0 asks for any free one. Throws PilviError BadOption. */
export function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d+$/.test(text) || port > 65_535) throw new PilviError('BadOption', `${text} is not a port.`);
  return port;
}

/** Where a cloud on this port keeps its data unless told: a folder of the user's state, one per port. */
export function defaultData(port: number): string {
  const state = process.env['XDG_STATE_HOME'] ?? path.join(homedir(), '.local', 'state');
  return path.join(state, 'pilvi', String(port));
}

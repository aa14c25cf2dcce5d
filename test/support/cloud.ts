/** What behaviour tests stand on: the shared cloud, accounts of their own in it, one way to wait. */
import { randomInt } from 'node:crypto';
import { expect, inject } from 'vitest';

export { type OwnCloud, startOwnCloud } from './own-cloud.ts';

export interface ClientConfig {
  endpoint: string;
  region: string;
  credentials: { accessKeyId: string; secretAccessKey: string; sessionToken?: string };
  maxAttempts: number;
}

export interface TestAccount {
  id: string;
  /** Configuration of an official client as the account's root user: `new EC2Client(account.config())`. */
  config(overrides?: Partial<ClientConfig>): ClientConfig;
  /** The same with other credentials, such as an IAM user's access key or an assumed role. */
  configFor(
    credentials: { AccessKeyId?: string | undefined; SecretAccessKey?: string | undefined; SessionToken?: string | undefined },
    region?: string,
  ): ClientConfig;
  /** Environment of the aws CLI as the account's root user. */
  env(overrides?: Record<string, string>): Record<string, string>;
}

/** An account nobody else uses, in the shared cloud or in the one at `endpoint`. */
export function freshAccount(endpoint: string = inject('endpoint')): TestAccount {
  const id = String(randomInt(100_000_000_000, 1_000_000_000_000 - 1)).slice(0, 12);
  const config = (overrides: Partial<ClientConfig> = {}): ClientConfig => ({
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: id, secretAccessKey: 'test' },
    maxAttempts: 1,
    ...overrides,
  });
  return {
    id,
    config,
    configFor: ({ AccessKeyId = '', SecretAccessKey = '', SessionToken }, region = 'us-east-1') =>
      config({
        region,
        credentials: {
          accessKeyId: AccessKeyId,
          secretAccessKey: SecretAccessKey,
          ...(SessionToken === undefined ? {} : { sessionToken: SessionToken }),
        },
      }),
    env: (overrides = {}) => ({
      PATH: process.env['PATH'] ?? '',
      HOME: '/nonexistent',
      AWS_ENDPOINT_URL: endpoint,
      AWS_ACCESS_KEY_ID: id,
      AWS_SECRET_ACCESS_KEY: 'test',
      AWS_DEFAULT_REGION: 'us-east-1',
      AWS_PAGER: '',
      AWS_EC2_METADATA_DISABLED: 'true',
      AWS_MAX_ATTEMPTS: '1',
      ...overrides,
    }),
  };
}

/** Why machines cannot run on this host, or undefined when they can: `test.skipIf(machinesRefused())`, printed with the reason. */
export function machinesRefused(): string | undefined {
  return inject('limits')[0];
}

/** Repeats `check` until it returns without throwing; bounded, and the last failure is the one reported. The one way to wait. */
export async function eventually<T>(
  check: () => Promise<T> | T,
  { timeoutMs = 15_000, why }: { timeoutMs?: number; why: string },
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > deadline)
        throw new Error(`Waited ${timeoutMs} ms: ${why}. Last: ${error instanceof Error ? error.message : String(error)}`, {
          cause: error,
        });
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
}

/** Expects a call to be refused with exactly this code and, when given, this message and HTTP status. Resolves with the error. */
export async function refused(call: Promise<unknown>, code: string, message?: string | RegExp, status?: number): Promise<Error> {
  const error = await call.then(
    () => expect.fail(`The call succeeded; it should have been refused with ${code}.`),
    (thrown: Error & { Code?: string; $metadata?: { httpStatusCode?: number } }) => thrown,
  );
  // The JavaScript SDK names a modelled error by its shape (`NoSuchEntityException`); `Code` and the name without the suffix are the wire's.
  const codes = [error.name, error.name.replace(/Exception$/, ''), error.Code];
  expect(codes.includes(code), `refused with ${error.name}: ${error.message}, not ${code}`).toBe(true);
  if (typeof message === 'string') expect(error.message).toBe(message);
  else if (message !== undefined) expect(error.message).toMatch(message);
  if (status !== undefined) expect(error.$metadata?.httpStatusCode).toBe(status);
  return error;
}

/** A call of the admin API. Throws when it fails. */
export async function admin(
  method: 'GET' | 'POST',
  path: string,
  body?: unknown,
  endpoint: string = inject('endpoint'),
): Promise<unknown> {
  const answer = await fetch(`${endpoint}/_pilvi/${path}`, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer.json();
}

/** The time of a cloud, in milliseconds since 1970. */
export async function cloudTime(endpoint: string = inject('endpoint')): Promise<number> {
  return Date.parse(((await admin('GET', 'clock', undefined, endpoint)) as { time: string }).time);
}

/** Moves the clock of a cloud of one's own; resolves when everything that became due has happened. */
export async function advanceClock(endpoint: string, millis: number): Promise<void> {
  await admin('POST', 'clock', { advanceMillis: millis }, endpoint);
}

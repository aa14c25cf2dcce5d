/**
 * The web console under /_pilvi/console: sign-in of IAM users and the EC2 pages. A client of the cloud: everything it shows or does goes through
 * `kernel.invoke` as the signed-in user, so policies decide and calls are recorded as with any other client. Forms are taken from the console's
 * own origin only. Root does not sign in here, since no account has a root e-mail. Rejected: scripts in pages that call the API with keys of the
 * user's session, because the keys would then be in the browser.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { DescribeImagesResult, DescribeInstancesResult } from '@aws-sdk/client-ec2';
import type { GetSessionTokenResponse } from '@aws-sdk/client-sts';
import { isLocalRequest } from '../base/local-request.ts';
import { findRegion } from '../base/regions.ts';
import type { Caller, Identity } from '../kernel/caller.ts';
import { AwsError } from '../kernel/errors.ts';
import { findCredential } from '../kernel/identity.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { base, codePage, instancesPage, newPasswordPage, signInPage, styleSheet } from './pages.ts';
import { type HalfSignIn, type SignIn, SignIns } from './sign-ins.ts';

/** Largest body of a form. */
const formBytesMax = 16 * 1024;
/** Seconds that a console session lasts by the cloud's clock ("IAM users … 12 hours"). */
const sessionSeconds = 43_200;
/** Cloud milliseconds between the password and the code. */
const codeMillisMax = 300_000;
const cookieName = 'pilvi-console';
const defaultRegion = 'us-east-1';
const wrongWords = 'Your authentication information is incorrect. Please try again.';
const waitWords = 'Too many attempts. Please wait and try again.';

/** What the password of a user leads to, as IAM answers; `wrong` covers users that are not there. */
export type PasswordCheck = (
  account: string,
  userName: string,
  password: string,
) => Promise<
  | { state: 'wrong' }
  | { state: 'valid' | 'change' | 'expired'; identity: Identity; devices: readonly { readonly serial: string }[] }
>;

interface Visit {
  request: IncomingMessage;
  url: URL;
  form: URLSearchParams;
  cookie: string;
  signIn: HalfSignIn | SignIn | undefined;
}

interface Answer {
  status: number;
  body: string;
  /** Where to go on. */
  location?: string;
  /** New value of the cookie; empty takes it away. */
  cookie?: string;
  type?: string;
}

const shown = (body: string, status = 200): Answer => ({ status, body });
const goTo = (location: string, cookie?: string): Answer => ({
  status: 303,
  body: '',
  location,
  ...(cookie === undefined ? {} : { cookie }),
});

/** Answers requests under /_pilvi/console; false for everything else. */
export function createConsole(
  kernel: Kernel,
  checkPassword: PasswordCheck,
): (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean> {
  const pages = new Console(kernel, checkPassword);
  return (request, response) => {
    const url = URL.canParse(request.url ?? '/', 'http://localhost')
      ? new URL(request.url ?? '/', 'http://localhost')
      : undefined;
    if (url === undefined || (url.pathname !== base && !url.pathname.startsWith(`${base}/`))) return false;
    return pages.answer(request, url).then((answer) => {
      send(answer, request, response);
      return true;
    });
  };
}

/** Only its own pages may post to it: other local names are other sites, such as what runs inside the cloud. */
function isOwn(request: IncomingMessage): boolean {
  const { method, headers } = request;
  if (!isLocalRequest(headers)) return false;
  return (
    method === 'GET' ||
    headers.origin === undefined ||
    headers.origin === `${isSecure(request) ? 'https' : 'http'}://${headers.host}`
  );
}

function isSecure({ socket }: IncomingMessage): boolean {
  return 'encrypted' in socket;
}

function send(answer: Answer, request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(answer.status, {
    'content-type': answer.type ?? 'text/html; charset=utf-8',
    'content-length': Buffer.byteLength(answer.body),
    'content-security-policy':
      "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    // Not `no-referrer`: forms would then be sent with the Origin `null`.
    'referrer-policy': 'same-origin',
    ...(answer.location === undefined ? {} : { location: answer.location }),
    ...(answer.cookie === undefined
      ? {}
      : {
          'set-cookie': `${cookieName}=${answer.cookie}; Path=${base}; HttpOnly; SameSite=Strict${isSecure(request) ? '; Secure' : ''}${answer.cookie === '' ? '; Max-Age=0' : ''}`,
        }),
    // What is left of a refused body is not read, so nothing may follow it on this connection.
    ...(request.complete ? {} : { connection: 'close' }),
  });
  response.end(answer.body);
}

/** The fields of a form; undefined when the body is too large. */
async function readForm(request: IncomingMessage): Promise<URLSearchParams | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    length += chunk.byteLength;
    if (length > formBytesMax) return undefined;
    chunks.push(chunk);
  }
  return new URLSearchParams(Buffer.concat(chunks).toString('utf8'));
}

function readCookie({ headers }: IncomingMessage): string {
  return new RegExp(`(?:^|; )${cookieName}=([A-Za-z0-9]+)`).exec(headers.cookie ?? '')?.[1] ?? '';
}

/** The words of an API's refusal. Throws what is none. */
function wordsOf(error: unknown): string {
  if (error instanceof AwsError) return `${error.code}: ${error.message}`;
  throw error;
}

class Console {
  readonly #kernel: Kernel;
  readonly #checkPassword: PasswordCheck;
  readonly #signIns = new SignIns();

  constructor(kernel: Kernel, checkPassword: PasswordCheck) {
    this.#kernel = kernel;
    this.#checkPassword = checkPassword;
  }

  async answer(request: IncomingMessage, url: URL): Promise<Answer> {
    if (!isOwn(request))
      return { status: 403, body: 'The console answers to local names and its own pages only.\n', type: 'text/plain' };
    const form = request.method === 'POST' ? await readForm(request) : new URLSearchParams();
    if (form === undefined) return { status: 413, body: 'The form is too large.\n', type: 'text/plain' };
    const cookie = readCookie(request);
    const visit = { request, url, form, cookie, signIn: this.#signIns.find(cookie, this.#kernel.clock.now()) };
    switch (`${request.method} ${url.pathname.slice(base.length)}`) {
      case 'GET ':
      case 'GET /':
        return visit.signIn?.step === 'in' ? goTo(`${base}/ec2/instances`) : shown(signInPage());
      case 'GET /style.css':
        return { status: 200, body: styleSheet, type: 'text/css' };
      case 'POST /sign-in':
        return this.#signIn(visit);
      case 'POST /mfa':
        return this.#takeCode(visit);
      case 'POST /password':
        return this.#changePassword(visit);
      case 'POST /sign-out':
        this.#signIns.forget(cookie);
        return goTo(`${base}/`, '');
      case 'GET /ec2/instances':
        return this.#instances(visit);
      case 'POST /ec2/instances':
        return this.#launch(visit);
      default:
        return { status: 404, body: `There is no ${request.method} ${url.pathname}.\n`, type: 'text/plain' };
    }
  }

  async #signIn(visit: Visit): Promise<Answer> {
    const [account = '', user = '', password = ''] = ['account', 'user', 'password'].map((name) => visit.form.get(name) ?? '');
    const name = `${account}/${user.toLowerCase()}`;
    if (!/^\d{12}$/.test(account) || !/^[\w+=,.@-]{1,64}$/.test(user)) return shown(signInPage(wrongWords), 401);
    if (!this.#signIns.mayTry(name, this.#kernel.clock.realNow())) return shown(signInPage(waitWords), 429);
    const found = await this.#checkPassword(account, user, password);
    if (found.state === 'wrong') return shown(signInPage(wrongWords), 401);
    this.#signIns.succeeded(name);
    if (found.state === 'expired')
      return shown(signInPage('Your password has expired. Contact your administrator to set a new one.'), 403);
    const { identity, devices } = found;
    const mustChange = found.state === 'change';
    if (devices.length === 0) return this.#open(visit, identity, mustChange, {});
    const serials = devices.map(({ serial }) => serial);
    const cookie = this.#kernel.ids.next('token');
    const expires = this.#kernel.clock.now() + codeMillisMax;
    this.#signIns.keep(cookie, { step: 'code', identity, serials, mustChange, expires });
    return { ...shown(codePage(serials)), cookie };
  }

  /** The second step. STS checks the code, so that the session counts as one with MFA. */
  async #takeCode(visit: Visit): Promise<Answer> {
    const { signIn, form } = visit;
    if (signIn?.step !== 'code') return goTo(`${base}/`);
    const { identity, serials, mustChange } = signIn;
    const [serial = '', code = ''] = [form.get('serial') ?? '', form.get('code') ?? ''];
    const name = `code ${identity.userId}`;
    if (!serials.includes(serial) || !/^\d{6}$/.test(code)) return shown(codePage(serials, wrongWords), 401);
    if (!this.#signIns.mayTry(name, this.#kernel.clock.realNow())) return shown(codePage(serials, waitWords), 429);
    try {
      const answer = await this.#open(visit, identity, mustChange, { SerialNumber: serial, TokenCode: code });
      this.#signIns.succeeded(name);
      this.#signIns.forget(visit.cookie);
      return answer;
    } catch (error) {
      if (error instanceof AwsError && error.code === 'AccessDenied') return shown(codePage(serials, wrongWords), 401);
      throw error;
    }
  }

  /** Opens a session of STS for the user, and one of the console that stands on it. Throws AccessDenied for a wrong code. */
  async #open(
    visit: Visit,
    identity: Identity,
    mustChange: boolean,
    mfa: { SerialNumber?: string; TokenCode?: string },
  ): Promise<Answer> {
    const caller = this.#callerOf(visit, identity);
    const input = { DurationSeconds: sessionSeconds, ...mfa };
    const opened = (await this.#invoke('sts', 'GetSessionToken', defaultRegion, caller, input)) as GetSessionTokenResponse;
    const { AccessKeyId: accessKeyId = '', Expiration: expiration } = opened.Credentials ?? {};
    const cookie = this.#kernel.ids.next('token');
    const expires = expiration?.getTime() ?? 0;
    this.#signIns.keep(cookie, { step: 'in', identity, accessKeyId, mustChange, expires });
    return mustChange ? { ...shown(newPasswordPage()), cookie } : goTo(`${base}/ec2/instances`, cookie);
  }

  /** With the user's own right to change it: the account's policy may leave that to administrators. */
  async #changePassword(visit: Visit): Promise<Answer> {
    const { signIn, form } = visit;
    if (signIn?.step !== 'in' || !signIn.mustChange) return goTo(`${base}/`);
    const name = `change ${signIn.identity.userId}`;
    if (!this.#signIns.mayTry(name, this.#kernel.clock.realNow())) return shown(newPasswordPage(waitWords), 429);
    const caller = this.#callerOf(visit, signIn.identity);
    const input = { OldPassword: form.get('old') ?? '', NewPassword: form.get('new') ?? '' };
    try {
      await this.#invoke('iam', 'ChangePassword', defaultRegion, caller, input);
    } catch (error) {
      return shown(newPasswordPage(wordsOf(error)), 403);
    }
    this.#signIns.succeeded(name);
    this.#signIns.keep(visit.cookie, { ...signIn, mustChange: false });
    return goTo(`${base}/ec2/instances`);
  }

  async #instances(visit: Visit, refused?: string): Promise<Answer> {
    const caller = await this.#signedIn(visit);
    if ('status' in caller) return caller;
    const region = findRegion(visit.form.get('region') ?? visit.url.searchParams.get('region') ?? '')?.name ?? defaultRegion;
    const failures = refused === undefined ? [] : [refused];
    const ask = async <Output>(operation: string, input: unknown): Promise<Output | undefined> => {
      try {
        return (await this.#invoke('ec2', operation, region, caller, input)) as Output;
      } catch (error) {
        failures.push(wordsOf(error));
        return undefined;
      }
    };
    const found = await ask<DescribeInstancesResult>('DescribeInstances', {});
    const filters = [{ Name: 'architecture', Values: ['x86_64'] }];
    const images = await ask<DescribeImagesResult>('DescribeImages', { Filters: filters });
    const body = instancesPage({
      account: caller.account,
      userName: caller.userName ?? '',
      region,
      port: this.#kernel.parts.endpoints?.port ?? 0,
      instances: (found?.Reservations ?? []).flatMap(({ Instances = [] }) => Instances),
      images: images?.Images ?? [],
      failures,
    });
    return shown(body, failures.length > 0 ? 403 : 200);
  }

  async #launch(visit: Visit): Promise<Answer> {
    const caller = await this.#signedIn(visit);
    if ('status' in caller) return caller;
    const region = findRegion(visit.form.get('region') ?? '')?.name ?? defaultRegion;
    const input = { ImageId: visit.form.get('image') ?? '', InstanceType: 't3.micro', MinCount: 1, MaxCount: 1 };
    try {
      await this.#invoke('ec2', 'RunInstances', region, caller, input);
    } catch (error) {
      return this.#instances(visit, wordsOf(error));
    }
    return goTo(`${base}/ec2/instances?region=${region}`);
  }

  /** The user as it is now, by the session's key; or where to go when nobody is signed in, or a new password must come first. */
  async #signedIn(visit: Visit): Promise<Caller | Answer> {
    const { signIn } = visit;
    if (signIn?.step !== 'in') return goTo(`${base}/`);
    if (signIn.mustChange) return shown(newPasswordPage());
    const { registry } = this.#kernel;
    const credential = await findCredential(registry, signIn.accessKeyId, (service) =>
      this.#kernel.systemContext(service, { account: '', region: '' }, 'ConsoleLogin'),
    );
    if (credential !== undefined) return this.#callerOf(visit, credential.identity, signIn.accessKeyId);
    this.#signIns.forget(visit.cookie);
    return goTo(`${base}/`, '');
  }

  #callerOf({ request }: Visit, identity: Identity, accessKeyId?: string): Caller {
    return {
      ...identity,
      accessKeyId,
      sourceIp: (request.socket.remoteAddress ?? '').replace(/^::ffff:/, ''),
      userAgent: request.headers['user-agent'] ?? '',
      secureTransport: isSecure(request),
      calledVia: [],
    };
  }

  #invoke(service: string, operation: string, region: string, caller: Caller, input: unknown): Promise<unknown> {
    const { ids, clock } = this.#kernel;
    const { account } = caller;
    return this.#kernel.invoke({ account, region, service, operation, requestId: ids.uuid(), caller, now: clock.now() }, input);
  }
}

/**
 * The web console under /_pilvi/console: its routes and the EC2 pages (S3's are in s3.ts). A client of the cloud: everything it shows or does goes through
 * `kernel.invoke` as the signed-in user, so policies decide and calls are recorded as with any other client. Forms are taken from the console's
 * own origin only. Rejected: scripts in pages that call the API with keys of the user's session, because the keys would then be in the browser.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { DescribeImagesResult, DescribeInstancesResult } from '@aws-sdk/client-ec2';
import { isLocalRequest } from '../base/local-request.ts';
import type { Caller } from '../kernel/caller.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Door } from './door.ts';
import { Entry } from './entry.ts';
import { createClassic, showClassic } from './classic.ts';
import { Shells } from './connect.ts';
import { showDashboard, showDashboards } from './dashboards.ts';
import { showLaunch, subscribe } from './launch.ts';
import type { Market } from './market.ts';
import { showOutbox } from './outbox.ts';
import { base, instancesPage, rootSignInPage, signInPage, styleSheet } from './pages.ts';
import { showExecution, showMachine, showMachines } from './flows.ts';
import { deleteBucket, showBuckets, showObjects } from './s3.ts';
import { setDesired, showGroups } from './scaling.ts';
import { SignIns } from './sign-ins.ts';
import { type Answer, goTo, invoke, isSecure, regionOf, shown, type Visit, wordsOf } from './visit.ts';

/** Largest body of a form. */
const formBytesMax = 16 * 1024;
const cookieName = 'pilvi-console';

/** Answers requests under /_pilvi/console; false for everything else. */
export function createConsole(
  kernel: Kernel,
  door: Door,
  market: Market,
): (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean> {
  const pages = new Console(kernel, door, market);
  return (request, response) => {
    // Nearly every request is for something else; parsing it costs microseconds.
    if (request.url?.startsWith('/_pilvi') !== true) return false;
    const url = URL.canParse(request.url, 'http://localhost') ? new URL(request.url, 'http://localhost') : undefined;
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

function send(answer: Answer, request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(answer.status, {
    'content-type': answer.type ?? 'text/html; charset=utf-8',
    'content-length': Buffer.byteLength(answer.body),
    'content-security-policy':
      "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
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

class Console {
  readonly #kernel: Kernel;
  readonly #signIns = new SignIns();
  readonly #entry: Entry;
  readonly #market: Market;
  readonly #shells: Shells;

  constructor(kernel: Kernel, door: Door, market: Market) {
    this.#kernel = kernel;
    this.#market = market;
    this.#shells = new Shells(kernel);
    this.#entry = new Entry(kernel, door, this.#signIns);
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
      case 'GET /root':
        return shown(rootSignInPage());
      case 'POST /sign-out':
        this.#signIns.forget(cookie);
        return goTo(`${base}/`, '');
      case 'GET /ec2/instances':
        return this.#instances(visit);
      case 'POST /ec2/instances':
        return this.#launch(visit);
      case 'GET /ec2/launch':
        return this.#signedIn(visit, (caller) => showLaunch(this.#kernel, caller, visit));
      case 'POST /ec2/subscribe':
        return this.#signedIn(visit, (caller) => subscribe(this.#kernel, this.#market, caller, visit));
      case 'GET /ec2/connect':
        return this.#signedIn(visit, async (caller) => this.#shells.show(caller, visit));
      case 'POST /ec2/connect':
        return this.#signedIn(visit, (caller) => this.#shells.connect(caller, visit));
      case 'GET /ec2/shell':
      case 'POST /ec2/shell':
        return this.#signedIn(visit, (caller) => this.#shells.use(caller, visit));
      case 'GET /s3/buckets':
        return this.#signedIn(visit, (caller) => showBuckets(this.#kernel, caller));
      case 'GET /s3/bucket':
        return this.#signedIn(visit, (caller) => showObjects(this.#kernel, caller, visit));
      case 'POST /s3/delete':
        return this.#signedIn(visit, (caller) => deleteBucket(this.#kernel, caller, visit));
      case 'GET /autoscaling/groups':
        return this.#signedIn(visit, (caller) => showGroups(this.#kernel, caller, visit));
      case 'POST /autoscaling/groups':
        return this.#signedIn(visit, (caller) => setDesired(this.#kernel, caller, visit));
      case 'GET /elb/classic':
        return this.#signedIn(visit, (caller) => showClassic(this.#kernel, caller, visit));
      case 'POST /elb/classic':
        return this.#signedIn(visit, (caller) => createClassic(this.#kernel, caller, visit));
      case 'GET /cloudwatch/dashboards':
        return this.#signedIn(visit, (caller) => showDashboards(this.#kernel, caller));
      case 'GET /cloudwatch/dashboard':
        return this.#signedIn(visit, (caller) => showDashboard(this.#kernel, caller, visit));
      case 'GET /outbox':
        return this.#signedIn(visit, (caller) => showOutbox(this.#kernel, caller));
      case 'GET /states/machines':
        return this.#signedIn(visit, (caller) => showMachines(this.#kernel, caller, visit));
      case 'GET /states/machine':
        return this.#signedIn(visit, (caller) => showMachine(this.#kernel, caller, visit));
      case 'GET /states/execution':
        return this.#signedIn(visit, (caller) => showExecution(this.#kernel, caller, visit));
      default:
        return (
          (await this.#entry.answer(visit)) ?? {
            status: 404,
            body: `There is no ${request.method} ${url.pathname}.\n`,
            type: 'text/plain',
          }
        );
    }
  }

  /** A page for who is signed in; who is not is sent to do that. */
  async #signedIn(visit: Visit, show: (caller: Caller) => Promise<Answer>): Promise<Answer> {
    const caller = await this.#entry.signedIn(visit);
    return 'status' in caller ? caller : show(caller);
  }

  async #instances(visit: Visit, refused?: string): Promise<Answer> {
    const caller = await this.#entry.signedIn(visit);
    if ('status' in caller) return caller;
    const region = regionOf(visit);
    const failures = refused === undefined ? [] : [refused];
    const ask = async <Output>(operation: string, input: unknown): Promise<Output | undefined> => {
      try {
        return (await invoke(this.#kernel, ['ec2', operation], region, caller, input)) as Output;
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
    const caller = await this.#entry.signedIn(visit);
    if ('status' in caller) return caller;
    const region = regionOf(visit);
    const input = { ImageId: visit.form.get('image') ?? '', InstanceType: 't3.micro', MinCount: 1, MaxCount: 1 };
    try {
      await invoke(this.#kernel, ['ec2', 'RunInstances'], region, caller, input);
    } catch (error) {
      return this.#instances(visit, wordsOf(error));
    }
    return goTo(`${base}/ec2/instances?region=${region}`);
  }
}

/** One request and its answer: routed by the rules, sent to a target, answered by it or by the node itself. */
import { BodyReader } from './http-body.ts';
import type { Client } from './client.ts';
import { headBytesMax, headEnd, HeadError, parseResponse, type RequestHead, type ResponseHead } from './http-head.ts';
import { forwardedForMax, forwardedHead, locationOf, ownPage, reasonOf, splitTarget, traceOf, headerValue } from './forwarded.ts';
import { answerHead, FunctionCall, headersOf } from './function-call.ts';
import { logEntry } from './log-entry.ts';
import type { HandedAnswer } from '../types.ts';
import type { LiveListener } from './node-state.ts';
import { cookiesFor, findRule, type Routed, routeForward } from './route-request.ts';
import { Upstream, type UpstreamUser } from './upstream.ts';

const empty = Buffer.alloc(0);
/** Bytes of a body kept for a second try on a connection of its own, when the kept one turned out to be closed. */
const replayBytesMax = 65_536;
/** Bytes of a body that are written in one piece with the head. */
const joinedBytesMax = 12_288;

export class Exchange implements UpstreamUser {
  /** The head of the answer has gone out. */
  begun = false;
  readonly #client: Client;
  readonly #listener: LiveListener;
  readonly #head: RequestHead;
  readonly #since = performance.now();
  readonly #trace: string;
  #routed: Routed | undefined;
  #upstream: Upstream | undefined;
  /** Where the target is a function. */
  #call: FunctionCall | undefined;
  #failure: string | undefined;
  #sent = '';
  /** Parts of the request's body, for another try; undefined once they are too many. */
  #replay: Buffer[] | undefined = [];
  #replayBytes = 0;
  #requestDone = false;
  #tunnel = false;
  #over = false;
  #received: number;
  #written = 0;
  #sentAt = 0;
  #headAt = 0;
  #status = 0;
  #redirect = '-';
  #targetStatus = 0;
  #pending: Buffer = empty;
  #answer: ResponseHead | undefined;
  #body: BodyReader | undefined;
  #framing: 'raw' | 'chunk' | 'plain' = 'raw';

  constructor(client: Client, listener: LiveListener, head: RequestHead, headBytes: number) {
    this.#client = client;
    this.#listener = listener;
    this.#head = head;
    this.#received = headBytes;
    this.#trace = traceOf(head.headers, client.state.now);
  }

  begin(): void {
    const { state, arrival } = this.#client;
    const head = this.#head;
    const forwarded = headerValue(head.headers, 'x-forwarded-for');
    if (forwarded !== undefined && forwarded.split(',').length > forwardedForMax) {
      this.#answerOwn(463);
      return;
    }
    const rule = findRule(this.#listener.rules, { head, ...splitTarget(head.target), client: arrival.client });
    this.#routed = { rule, stayed: false };
    const { action } = rule;
    if (action.kind === 'fixed') {
      state.counts.add('fixed');
      this.#answerOwn(action.status, action.contentType, action.body);
      return;
    }
    if (action.kind === 'redirect') {
      state.counts.add('redirects');
      this.#answerOwn(action.status, 'text/html', undefined, locationOf(action, head, arrival));
      return;
    }
    this.#routed = routeForward(state, rule, action, head);
    const { target, pool } = this.#routed;
    if (target === undefined) {
      this.#answerOwn(503);
      return;
    }
    const { protocol } = pool!.spec;
    if (protocol !== 'http' && protocol !== 'https' && protocol !== 'function') {
      this.#answerOwn(502);
      return;
    }
    state.counts.add('requests');
    state.counts.add('forwarded', 1, pool!.spec.key, target.spec.zone ?? state.zone);
    if (head.oddNames) state.counts.add(state.http.dropInvalidHeaders ? 'headers.dropped' : 'headers.passed');
    target.outstanding += 1;
    target.users.add(this);
    this.#sent = forwardedHead(head, arrival, state.http, this.#trace);
    if (protocol === 'function') this.#beginCall();
    else this.#connect();
  }

  #beginCall(): void {
    const call = new FunctionCall(this.#head.body);
    this.#call = call;
    if (this.#head.upgrade !== undefined) this.#failCall({ status: 400, failure: 'upgrade', fault: 'function' });
    else if (call.tooLong) this.#failCall({ status: 413, failure: 'body-too-long', fault: 'function' });
    else if (this.#head.expectsContinue && this.#head.minor === 1) this.#write('HTTP/1.1 100 Continue\r\n\r\n');
  }

  /** The request is complete: whoever answers for functions gets it. */
  async #handOver(call: FunctionCall): Promise<void> {
    const { state } = this.#client;
    const { pool, target } = this.#routed!;
    this.#sentAt = performance.now();
    const answer = await state.handOver({
      ...{ pool: pool!.spec.key, target: target!.spec.key, method: this.#head.method, body: call.body },
      ...splitTarget(this.#head.target),
      headers: headersOf(this.#sent),
    });
    // The client may be gone, or have been told that it took too long.
    if (this.#over) return;
    if (answer.failure === undefined) this.#answerCall(answer);
    else this.#failCall(answer);
  }

  #failCall({ status, failure, fault }: Extract<HandedAnswer, { fault: unknown }>): void {
    this.#failure = failure;
    this.#client.state.counts.add(`functions.failed.${fault}`, 1, this.#routed!.pool!.spec.key);
    this.#release();
    this.#answerOwn(status);
  }

  #answerCall(answer: Extract<HandedAnswer, { body: string }>): void {
    const { state, arrival } = this.#client;
    const routed = this.#routed!;
    const bytes = Buffer.from(answer.body, 'base64');
    this.#noteAnswer(answer.status, state.zone);
    const text = answerHead(answer, {
      ...{ length: bytes.length, date: new Date(state.now), keeps: this.#keeps },
      cookies: cookiesFor(state, routed, [], arrival.secure),
    });
    state.counts.add('functions.bytes', this.#received + text.length + bytes.length);
    this.#write(text);
    if (this.#head.method !== 'HEAD') this.#write(bytes);
    this.#release();
    this.#end();
    this.#client.answered(this.#keeps);
  }

  #connect(): void {
    const { state } = this.#client;
    const upstream = Upstream.take(this.#routed!.target!, state);
    this.#upstream = upstream;
    upstream.user = this;
    this.#sentAt = performance.now();
    if (!upstream.used) state.counts.add('connections.target');
    upstream.socket.write(this.#sent, 'latin1');
  }

  /** A part of the request's body as it came. */
  onRequestBody(bytes: Buffer): void {
    this.#received += bytes.length;
    if (this.#over || bytes.length === 0) return;
    if (this.#call !== undefined) {
      this.#call.onBody(bytes);
      if (this.#call.tooLong) this.#failCall({ status: 413, failure: 'body-too-long', fault: 'function' });
      return;
    }
    if (this.#replay !== undefined) {
      this.#replayBytes += bytes.length;
      if (this.#replayBytes > replayBytesMax) this.#replay = undefined;
      else this.#replay.push(bytes);
    }
    if (this.#upstream?.socket.write(bytes) === false) this.#client.socket.pause();
  }

  onRequestEnd(): void {
    this.#requestDone = true;
    if (this.#call !== undefined && !this.#over) void this.#handOver(this.#call);
  }

  onConnect(): void {}

  onDrain(): void {
    this.#client.socket.resume();
  }

  onClientDrain(): void {
    this.#upstream?.socket.resume();
  }

  onTunnel(bytes: Buffer): void {
    this.#received += bytes.length;
    if (this.#upstream?.socket.write(bytes) === false) this.#client.socket.pause();
  }

  onTunnelEnd(): void {
    this.#upstream?.socket.end();
  }

  onData(bytes: Buffer): void {
    this.#client.touch();
    if (this.#tunnel) {
      this.#write(bytes);
      return;
    }
    if (this.#answer === undefined) {
      this.#pending = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]);
      try {
        this.#readHeads();
      } catch (error) {
        if (!(error instanceof HeadError)) throw error;
        this.#fail(502);
      }
      return;
    }
    this.#readBody(bytes);
  }

  /** Answers of the 1xx kind pass; the first other one is the answer. */
  #readHeads(): void {
    while (this.#answer === undefined && this.#pending.length > 0) {
      const end = headEnd(this.#pending, 0);
      if (end > headBytesMax || (end < 0 && this.#pending.length > headBytesMax))
        throw new HeadError(502, 'The head is too long.');
      if (end < 0) return;
      const answer = parseResponse(this.#pending.toString('latin1', 0, end), this.#head.method);
      this.#pending = this.#pending.subarray(end);
      if (answer.status === 101) {
        this.#openTunnel(answer);
        return;
      }
      if (answer.status >= 200) {
        const rest = this.#pending;
        this.#pending = empty;
        this.#writeHead(this.#beginAnswer(answer), rest);
        return;
      }
      if (this.#head.minor === 1) this.#write(`HTTP/1.1 ${answer.status} ${answer.reason}\r\n\r\n`);
    }
  }

  /** Notes the answer's head, and gives it as the client gets it. */
  #beginAnswer(answer: ResponseHead): string {
    const { state, arrival } = this.#client;
    const routed = this.#routed!;
    this.#answer = answer;
    this.#noteAnswer(answer.status, routed.target!.spec.zone ?? state.zone);
    let text = `HTTP/1.1 ${answer.status} ${answer.reason}\r\n`;
    for (const { name, lower, value } of answer.headers) {
      if (lower === 'connection' || lower === 'keep-alive' || lower === 'transfer-encoding' || lower === 'proxy-connection')
        continue;
      if (lower === 'upgrade') continue;
      text += `${name}: ${value}\r\n`;
    }
    text += cookiesFor(state, routed, answer.headers, arrival.secure);
    const streams = answer.body === 'chunked' || answer.body === 'close';
    if (streams && this.#head.minor === 1) text += 'Transfer-Encoding: chunked\r\n';
    this.#framing = !streams ? 'raw' : this.#head.minor === 0 ? 'plain' : answer.body === 'chunked' ? 'raw' : 'chunk';
    text += `Connection: ${this.#keeps ? 'keep-alive' : 'close'}\r\n\r\n`;
    this.#body = new BodyReader(answer.body, this.#framing === 'raw' ? undefined : (bytes) => this.#writeContent(bytes));
    return text;
  }

  /** Writes the head with what has come of the body: in one piece where that is short and needs no framing, for a piece is a system call or a TLS record. */
  #writeHead(head: string, rest: Buffer): void {
    const { socket } = this.#client;
    const whole = this.#framing === 'raw' && rest.length > 0 && rest.length <= joinedBytesMax && !this.#body!.done;
    if (!whole) {
      socket.cork();
      this.#write(head);
      if (this.#body!.done || rest.length > 0) this.#readBody(rest);
      process.nextTick(() => socket.uncork());
      return;
    }
    this.#readBody(rest, head);
  }

  /** A target has begun to answer. */
  #noteAnswer(status: number, zone: string): void {
    const { counts } = this.#client.state;
    const { key } = this.#routed!.pool!.spec;
    this.begun = true;
    this.#headAt = performance.now();
    this.#status = status;
    this.#targetStatus = status;
    counts.add(`answers.target.${Math.floor(status / 100)}xx`, 1, key, zone);
    counts.time('response', (this.#headAt - this.#sentAt) / 1000, key, zone);
  }

  get #keeps(): boolean {
    return this.#head.keepAlive && this.#framing !== 'plain' && !this.#head.breaks;
  }

  #writeContent(bytes: Buffer): void {
    if (bytes.length === 0) return;
    if (this.#framing === 'chunk') this.#write(`${bytes.length.toString(16)}\r\n`);
    this.#write(bytes);
    if (this.#framing === 'chunk') this.#write('\r\n');
  }

  /** `head`: goes out in front, in one piece with the bytes. */
  #readBody(bytes: Buffer, head = ''): void {
    const body = this.#body!;
    let taken: number;
    try {
      taken = body.take(bytes, 0);
    } catch {
      this.#breakOff();
      return;
    }
    if (head !== '') this.#write(head + bytes.toString('latin1', 0, taken));
    else if (this.#framing === 'raw' && taken > 0) this.#write(taken === bytes.length ? bytes : bytes.subarray(0, taken));
    if (body.done) this.#finish(taken === bytes.length && this.#answer!.keepAlive && this.#requestDone && !this.#head.breaks);
  }

  #write(bytes: Buffer | string): void {
    this.#written += bytes.length;
    const { socket } = this.#client;
    const more = typeof bytes === 'string' ? socket.write(bytes, 'latin1') : socket.write(bytes);
    if (!more) this.#upstream?.socket.pause();
  }

  #openTunnel(answer: ResponseHead): void {
    if (this.#head.upgrade === undefined) throw new HeadError(502, 'Nobody asked for another protocol.');
    this.#tunnel = true;
    this.begun = true;
    this.#status = 101;
    this.#targetStatus = 101;
    this.#headAt = performance.now();
    let text = `HTTP/1.1 101 ${answer.reason}\r\n`;
    for (const { name, value } of answer.headers) text += `${name}: ${value}\r\n`;
    this.#write(`${text}${cookiesFor(this.#client.state, this.#routed!, answer.headers, this.#client.arrival.secure)}\r\n`);
    const rest = this.#pending;
    this.#pending = empty;
    this.#client.state.counts.add('websockets');
    this.#client.tunnel();
    if (rest.length > 0) this.#write(rest);
  }

  /** The answer is complete. */
  #finish(keepTarget: boolean): void {
    const upstream = this.#upstream;
    this.#release();
    if (keepTarget) upstream?.keep();
    else upstream?.destroy();
    upstream?.socket.resume();
    this.#end();
    this.#client.answered(this.#keeps && this.#requestDone);
  }

  onClosed(why: 'closed' | 'failed' | 'timeout'): void {
    const upstream = this.#upstream;
    if (this.#over) return;
    if (this.#tunnel) {
      this.#release();
      this.#end();
      this.#client.socket.end();
      return;
    }
    if (this.#answer !== undefined) {
      if (this.#answer.body !== 'close') {
        this.#breakOff();
        return;
      }
      if (this.#framing === 'chunk') this.#write('0\r\n\r\n');
      this.#finish(false);
      return;
    }
    // A kept connection that the target had just closed: nothing of the request was read, so another connection gets it.
    if (why === 'closed' && upstream?.used === true && this.#pending.length === 0 && this.#replay !== undefined) {
      const again = this.#replay;
      this.#connect();
      for (const part of again) this.#upstream?.socket.write(part);
      return;
    }
    const { state } = this.#client;
    const { pool, target } = this.#routed!;
    if (why !== 'closed') state.counts.add('connections.failed', 1, pool!.spec.key, target!.spec.zone ?? state.zone);
    this.#fail(why === 'timeout' ? 504 : 502);
  }

  /** Nothing moved for the idle time. */
  expire(): void {
    if (this.begun) this.#breakOff();
    else this.#fail(504);
  }

  /** A target that went down while a connection to it was still being opened has got nothing yet: another one gets the request. */
  turn(): void {
    void this.#turned();
  }

  #turned(): boolean {
    const routed = this.#routed;
    const upstream = this.#upstream;
    if (upstream === undefined || upstream.connected || upstream.used || this.begun || this.#replay === undefined) return false;
    const next = routed?.pool?.next();
    if (routed === undefined || next === undefined || next === routed.target) return false;
    this.#release();
    upstream.destroy();
    routed.target = next;
    next.outstanding += 1;
    next.users.add(this);
    const parts = this.#replay;
    this.#connect();
    for (const part of parts) this.#upstream?.socket.write(part);
    return true;
  }

  /** The target is taken away: what is under way on it ends here. */
  cut(): void {
    if (this.#turned()) return;
    if (this.begun) this.#breakOff();
    else this.#fail(502);
  }

  /** The client is gone, or its request turned out to be broken: nobody waits for an answer. */
  onClientGone(): void {
    if (this.#over) return;
    if (!this.begun) this.#status = 460;
    if (!this.begun) this.#client.state.counts.add('answers.node.4xx');
    this.abandon();
  }

  abandon(): void {
    if (this.#over) return;
    const upstream = this.#upstream;
    this.#release();
    upstream?.destroy();
    this.#end();
  }

  #breakOff(): void {
    const client = this.#client;
    this.abandon();
    client.cut();
  }

  #fail(status: number): void {
    const upstream = this.#upstream;
    this.#release();
    upstream?.destroy();
    this.#answerOwn(status);
  }

  #release(): void {
    const target = this.#routed?.target;
    if (this.#upstream !== undefined) this.#upstream.user = undefined;
    this.#upstream = undefined;
    if (target?.users.delete(this) === true) target.outstanding -= 1;
  }

  #answerOwn(status: number, contentType = 'text/html', body?: string, location?: string): void {
    const { state, socket } = this.#client;
    const page = Buffer.from(body ?? ownPage(status), 'utf8');
    const routedByRule = this.#routed !== undefined && this.#routed.rule.action.kind !== 'forward';
    if (!routedByRule) state.counts.add(`answers.node.${Math.floor(status / 100)}xx`);
    if (!routedByRule && status >= 500) state.counts.add(`answers.node.${status}`);
    this.#status = status;
    this.#redirect = location ?? '-';
    this.begun = true;
    const keep =
      this.#head.keepAlive && !this.#head.breaks && (this.#head.body === 'none' || this.#head.body === 0 || this.#requestDone);
    const text =
      `HTTP/1.1 ${status} ${reasonOf(status)}\r\nServer: awselb/2.0\r\nDate: ${new Date(state.now).toUTCString()}\r\n` +
      `Content-Type: ${contentType === '' ? 'text/plain' : contentType}\r\nContent-Length: ${page.length}\r\n` +
      `Connection: ${keep ? 'keep-alive' : 'close'}\r\n${location === undefined ? '' : `Location: ${location}\r\n`}\r\n`;
    this.#written += text.length;
    socket.write(text, 'latin1');
    if (this.#head.method !== 'HEAD') {
      this.#written += page.length;
      socket.write(page);
    }
    this.#end();
    if (keep && !this.#requestDone) this.#requestDone = true;
    this.#client.answered(keep);
  }

  /** Counts and log of what has ended. */
  #end(): void {
    if (this.#over) return;
    this.#over = true;
    const { state } = this.#client;
    state.counts.add('bytes', this.#received + this.#written);
    if (state.http.log) this.#log();
  }

  #log(): void {
    const target = this.#call === undefined ? this.#routed?.target : undefined;
    this.#client.state.counts.log(
      logEntry(this.#client, this.#head, this.#routed, {
        ...{ kind: this.#tunnel ? 'tunnel' : 'request', reachedTarget: this.#routed?.target !== undefined, target: target?.spec },
        ...{ since: this.#since, sentAt: this.#sentAt, headAt: this.#headAt, status: this.#status },
        ...{ targetStatus: this.#targetStatus, received: this.#received, sent: this.#written, trace: this.#trace },
        ...{ redirect: this.#redirect, failure: this.#failure },
      }),
    );
  }
}

/**
 * Requests that services send to their users' endpoints (SNS's subscribers, Firehose's and EventBridge's HTTP destinations), which run in the cloud's
 * internet. By `node:http`, because `fetch` cannot be told which authority to trust.
 */
import http from 'node:http';
import https from 'node:https';
import type { Context } from './context.ts';

/** Most of an answer that is kept. */
const answerBytesMax = 65_536;

export interface HttpRequest {
  url: string;
  method: string;
  headers: Readonly<Record<string, string | number>>;
  body: string | Uint8Array;
  /** Real milliseconds of silence after which the endpoint counts as gone. */
  timeoutMillis: number;
}

export interface HttpAnswer {
  /** 0 when there was no answer. */
  status: number;
  /** The beginning of its body as text; the reason when there was no answer. */
  body: string;
  retryAfter?: string | undefined;
}

/** Sends one request; certificates of the cloud's own authority are trusted. Follows no redirect. Never rejects. */
export async function sendHttp(
  ctx: Context,
  { url: address, method, headers, body, timeoutMillis }: HttpRequest,
): Promise<HttpAnswer> {
  const url = new URL(address);
  const secure = url.protocol === 'https:';
  const options: https.RequestOptions = {
    method,
    agent: false,
    timeout: timeoutMillis,
    headers: { ...headers, 'content-length': Buffer.byteLength(body) },
    // Names and passwords in the address are the endpoint's own credentials ("HTTP/S endpoint authentication").
    ...(url.username === '' ? {} : { auth: `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}` }),
    ...(secure ? { ca: await ctx.part('certificates').certificate() } : {}),
  };
  return new Promise((resolve) => {
    const fail = (reason: string): void => resolve({ status: 0, body: reason });
    const request = (secure ? https : http).request(url, options, (response) => {
      const pieces: Buffer[] = [];
      let kept = 0;
      response.on('data', (piece: Buffer) => {
        if (kept < answerBytesMax) pieces.push(piece.subarray(0, answerBytesMax - kept));
        kept += piece.byteLength;
      });
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          body: Buffer.concat(pieces).toString('utf8'),
          retryAfter: response.headers['retry-after'],
        }),
      );
      response.on('error', (error) => fail(error.message));
    });
    request.on('timeout', () => request.destroy(new Error('The endpoint did not answer in time.')));
    request.on('error', (error) => fail(error.message));
    request.on('close', () => fail('The connection was closed.'));
    request.end(body);
  });
}

/** POST to a subscriber's endpoint, which runs in the cloud's internet. By `node:http`, because `fetch` cannot be told which authority to trust. */
import http from 'node:http';
import https from 'node:https';
import type { Context } from '../../kernel/context.ts';

/** Real milliseconds that an endpoint may take ("HTTP/S subscribers: 15 seconds"). */
const answerMillisMax = 15_000;

/** The answer's status; 0 when there is no answer. Never rejects. */
export async function postTo(
  ctx: Context,
  endpoint: string,
  body: string,
  headers: Readonly<Record<string, string>>,
): Promise<number> {
  const url = new URL(endpoint);
  const secure = url.protocol === 'https:';
  const options: https.RequestOptions = {
    method: 'POST',
    agent: false,
    timeout: answerMillisMax,
    headers: {
      'content-type': 'text/plain; charset=UTF-8',
      'content-length': Buffer.byteLength(body),
      'user-agent': 'Amazon Simple Notification Service Agent',
      ...headers,
    },
    // Names and passwords in the address are the endpoint's own credentials ("HTTP/S endpoint authentication").
    ...(url.username === '' ? {} : { auth: `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}` }),
    ...(secure ? { ca: await ctx.part('certificates').certificate() } : {}),
  };
  return new Promise((resolve) => {
    const request = (secure ? https : http).request(url, options, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode ?? 0));
      response.on('error', () => resolve(0));
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(0));
    request.on('close', () => resolve(0));
    request.end(body);
  });
}

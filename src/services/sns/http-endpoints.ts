/** POST to a subscriber's endpoint. */
import type { Context } from '../../kernel/context.ts';
import { sendHttp } from '../../kernel/http-out.ts';

/** Real milliseconds that an endpoint may take ("HTTP/S subscribers: 15 seconds"). */
const answerMillisMax = 15_000;

/** The answer's status, 0 when there is none, and the beginning of its body. Never rejects. */
export async function postTo(
  ctx: Context,
  endpoint: string,
  body: string,
  headers: Readonly<Record<string, string>>,
): Promise<{ status: number; body: string }> {
  return sendHttp(ctx, {
    url: endpoint,
    method: 'POST',
    headers: {
      'content-type': 'text/plain; charset=UTF-8',
      'user-agent': 'Amazon Simple Notification Service Agent',
      ...headers,
    },
    body,
    timeoutMillis: answerMillisMax,
  });
}

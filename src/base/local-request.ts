/**
 * Whether a request comes from this machine's own pages and names. What needs no signature (the admin API, the console's forms) listens on
 * loopback, and a page from elsewhere in the user's browser must not reach it.
 */
import type { IncomingHttpHeaders } from 'node:http';

const localName =
  /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\]|(?:[a-z0-9-]+\.)+localhost|(?:[a-z0-9-]+\.)*localhost\.localstack\.cloud)(?::\d+)?$/i;

/**
 * True when Host, and Origin where there is one, are local names. A foreign page's requests carry a foreign Origin, or, when its name was rebound
 * to loopback, a foreign Host.
 */
export function isLocalRequest(headers: IncomingHttpHeaders): boolean {
  const origin = headers.origin?.replace(/^https?:\/\//, '');
  return localName.test(headers.host ?? '') && (origin === undefined || localName.test(origin));
}

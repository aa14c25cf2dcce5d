/**
 * Whether a request comes from this machine's own pages and names. What needs no signature (the admin API, the console's forms) listens on
 * loopback, and a page from elsewhere in the user's browser must not reach it.
 */
import type { IncomingHttpHeaders } from 'node:http';

const localName =
  /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\]|(?:[a-z0-9-]+\.)+localhost|(?:[a-z0-9-]+\.)*localhost\.localstack\.cloud)(?::\d+)?$/i;

/** Names of loopback itself: pages of the user's own development servers. Other names under .localhost may be pages of an instance. */
const loopbackName = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/i;

/**
 * True when Host is a local name, and Origin, where there is one, the same or loopback itself. A foreign page's requests carry a foreign Origin,
 * or, when its name was rebound to loopback, a foreign Host; a page of an instance carries the instance's name.
 */
export function isLocalRequest(headers: IncomingHttpHeaders): boolean {
  const origin = headers.origin?.replace(/^https?:\/\//, '');
  const host = headers.host ?? '';
  return localName.test(host) && (origin === undefined || origin === host || loopbackName.test(origin));
}

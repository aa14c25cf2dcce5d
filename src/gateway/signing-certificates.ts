/**
 * The certificates that notifications name in `SigningCertURL`: plain files at the gateway's root, for everybody, because they prove something to
 * those who cannot sign a request.
 */
import type { Router } from './server.ts';

/** Answers `GET /SimpleNotificationService-….pem` with what `find` gives; false for everything else. */
export function createSigningCertificates(find: (path: string) => Promise<string | undefined>): Router {
  return (request, response) => {
    const { method, url = '' } = request;
    if ((method !== 'GET' && method !== 'HEAD') || !/^\/SimpleNotificationService-[0-9a-f]{32}\.pem$/.test(url)) return false;
    return find(url).then((pem) => {
      if (pem === undefined) return false;
      response.writeHead(200, { 'content-type': 'application/x-pem-file', 'content-length': Buffer.byteLength(pem) });
      response.end(method === 'HEAD' ? undefined : pem);
      return true;
    });
  };
}

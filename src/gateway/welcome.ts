/**
 * What a person sees who opens the gateway in a browser. `GET /` is S3's ListBuckets, so only an unsigned request that asks for HTML gets this:
 * S3 would refuse it anyway, and no client library asks for HTML.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';

const page = (endpoint: string, version: string): string => `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Pilvi</title>
<style>body { font: 16px/1.5 system-ui, sans-serif; max-width: 42em; margin: 3em auto; padding: 0 1em } pre { background: #f3f3f3; padding: 1em; overflow: auto }</style></head>
<body>
<h1>Pilvi ${version}</h1>
<p>This is the endpoint of a cloud on your own machine, for AWS command lines and SDKs. Any twelve digits are an account:</p>
<pre>export AWS_ENDPOINT_URL=${endpoint} AWS_ACCESS_KEY_ID=111111111111 AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=us-east-1
aws sts get-caller-identity</pre>
<p>HTTPS is on the same port, for who trusts <a href="/_pilvi/ca.pem">this cloud's certificate</a> (<code>AWS_CA_BUNDLE</code>).</p>
<p>Documentation: README.md of the package; <code>pilvi help</code> lists the commands. State of this cloud:
<a href="/_pilvi/health">health</a>, <a href="/_pilvi/services">services</a>.</p>
</body>
</html>
`;

/** Answers browsers at `/`; false for everything else. */
export function createWelcome(version: string): (request: IncomingMessage, response: ServerResponse) => boolean {
  return (request, response) => {
    const { method, url, headers } = request;
    const asksForPage = (method === 'GET' || method === 'HEAD') && url === '/' && headers.accept?.includes('text/html') === true;
    if (!asksForPage || headers.authorization !== undefined) return false;
    // The host comes from outside; only what a host name is made of goes into the page.
    const host = /^[\w.:[\]-]+$/.test(headers.host ?? '') ? (headers.host ?? '') : '127.0.0.1:4566';
    const text = page(`${'encrypted' in request.socket ? 'https' : 'http'}://${host}`, version);
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'content-length': Buffer.byteLength(text) });
    response.end(method === 'HEAD' ? undefined : text);
    return true;
  };
}

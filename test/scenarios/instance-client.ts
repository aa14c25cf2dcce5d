/** A client of the cloud's API for programs on instances, as JavaScript for Node without any package: the rights of the instance's role, Signature Version 4 by hand. */

/**
 * Defines `look(path)`, which reads metadata, and `aws(service, headers, body)`, which posts to the service under its name in the real cloud and resolves with
 * the answer's text; it rejects with the text when the status is not 200. Sources are pasted into user data inside quotes of a template: `\\n` is one there.
 */
export const instanceClient = `const http = require('http');
const crypto = require('crypto');
const send = (options, body) => new Promise((resolve, reject) => {
  const request = http.request(options, (response) => {
    let text = '';
    response.on('data', (part) => { text += part; });
    response.on('end', () => resolve({ status: response.statusCode, text }));
  });
  request.on('error', reject);
  request.end(body);
});
const meta = { host: '169.254.169.254' };
const token = async () => (await send({ ...meta, method: 'PUT', path: '/latest/api/token', headers: { 'x-aws-ec2-metadata-token-ttl-seconds': '60' } })).text;
const look = async (path) => {
  const { status, text } = await send({ ...meta, path: '/latest/meta-data/' + path, headers: { 'x-aws-ec2-metadata-token': await token() } });
  if (status !== 200) console.log('metadata: ' + path + ': ' + status + ' ' + text);
  return text;
};
const roles = 'iam/security-credentials/';
const hash = (text) => crypto.createHash('sha256').update(text).digest('hex');
const hmac = (key, text) => crypto.createHmac('sha256', key).update(text).digest();

async function aws(service, given, body) {
  const own = JSON.parse(await look(roles + await look(roles)));
  const host = service + '.us-east-1.amazonaws.com';
  const now = new Date().toISOString().replace(/[-:]|\\.\\d+/g, '');
  const headers = { ...given, host, 'x-amz-date': now, 'x-amz-security-token': own.Token };
  const names = Object.keys(headers).sort();
  const canonical = ['POST', '/', '', ...names.map((name) => name + ':' + headers[name]), '', names.join(';'), hash(body)].join('\\n');
  const scope = now.slice(0, 8) + '/us-east-1/' + service + '/aws4_request';
  const key = scope.split('/').reduce(hmac, 'AWS4' + own.SecretAccessKey);
  const signature = hmac(key, ['AWS4-HMAC-SHA256', now, scope, hash(canonical)].join('\\n')).toString('hex');
  const authorization = 'AWS4-HMAC-SHA256 Credential=' + own.AccessKeyId + '/' + scope + ', SignedHeaders=' + names.join(';') + ', Signature=' + signature;
  const { status, text } = await send({ host, method: 'POST', path: '/', headers: { ...headers, authorization } }, body);
  if (status !== 200) throw new Error(text);
  return text;
}
`;

/** The shop's application, as user data: a cart in memory, in a cookie (signed and not), and in a table of sessions. Written for Node without any package. */

/**
 * User data of an application server on port 80. `POST /KIND/cart?ITEM` adds to the cart, `GET /KIND/cart` shows it: `{"who": instance id, "cart": [...]}`. KIND is `memory` (by
 * the cookie `user`), `cookie` (signed), `open` (not signed), or `table` (DynamoDB, by the cookie `session`, for an hour). What is wrong with a cart is answered with 400.
 */
export const shopScript = `#!/bin/bash
cat > /shop.js <<'END'
const http = require('http');
const crypto = require('crypto');
const key = 'known to all servers of the shop';
const sign = (text) => crypto.createHmac('sha256', key).update(text).digest('hex');
const call = (options, body) => new Promise((resolve, reject) => {
  const request = http.request(options, (response) => {
    let text = '';
    response.on('data', (part) => { text += part; });
    response.on('end', () => resolve(text));
  });
  request.on('error', reject);
  request.end(body);
});
const meta = { host: '169.254.169.254' };
const token = () => call({ ...meta, method: 'PUT', path: '/latest/api/token', headers: { 'x-aws-ec2-metadata-token-ttl-seconds': '60' } });
const look = async (path) => call({ ...meta, path: '/latest/meta-data/' + path, headers: { 'x-aws-ec2-metadata-token': await token() } });
const roles = 'iam/security-credentials/';

/** Signature Version 4, by hand. */
async function table(operation, input) {
  const own = JSON.parse(await look(roles + await look(roles)));
  const host = 'dynamodb.us-east-1.amazonaws.com';
  const body = JSON.stringify({ TableName: 'sessions', ...input });
  const now = new Date().toISOString().replace(/[-:]|\\.\\d+/g, '');
  const headers = { host, 'x-amz-date': now, 'x-amz-security-token': own.Token, 'x-amz-target': 'DynamoDB_20120810.' + operation };
  const names = Object.keys(headers).sort();
  const hash = (text) => crypto.createHash('sha256').update(text).digest('hex');
  const canonical = ['POST', '/', '', ...names.map((name) => name + ':' + headers[name]), '', names.join(';'), hash(body)].join('\\n');
  const scope = now.slice(0, 8) + '/us-east-1/dynamodb/aws4_request';
  let secret = 'AWS4' + own.SecretAccessKey;
  for (const part of scope.split('/')) secret = crypto.createHmac('sha256', secret).update(part).digest();
  const signature = crypto.createHmac('sha256', secret).update(['AWS4-HMAC-SHA256', now, scope, hash(canonical)].join('\\n')).digest('hex');
  const authorization = 'AWS4-HMAC-SHA256 Credential=' + own.AccessKeyId + '/' + scope + ', SignedHeaders=' + names.join(';') + ', Signature=' + signature;
  const answer = JSON.parse(await call({ host, method: 'POST', path: '/', headers: { ...headers, authorization, 'content-type': 'application/x-amz-json-1.0' } }, body));
  if (answer.__type) throw new Error(answer.__type + ' ' + answer.message);
  return answer;
}

const memory = new Map();
const pack = (cart) => Buffer.from(JSON.stringify(cart)).toString('base64url');
const unpack = (text) => JSON.parse(Buffer.from(text, 'base64url').toString());
const stores = {
  memory: {
    load: async ({ user }) => memory.get(user) || [],
    save: async ({ user }, cart) => void memory.set(user, cart),
  },
  open: {
    load: async ({ cart }) => (cart ? unpack(cart) : []),
    save: async (_cookies, cart) => 'cart=' + pack(cart),
  },
  cookie: {
    load: async ({ cart }) => {
      if (!cart) return [];
      const [text, signature] = cart.split('.');
      if (signature !== sign(text)) throw new Error('The cart was altered.');
      return unpack(text);
    },
    save: async (_cookies, cart) => 'cart=' + pack(cart) + '.' + sign(pack(cart)),
  },
  table: {
    load: async ({ session }) => {
      if (!session) return [];
      const { Item } = await table('GetItem', { Key: { id: { S: session } }, ConsistentRead: true });
      return Item ? JSON.parse(Item.cart.S) : [];
    },
    save: async ({ session }, cart) => {
      const id = session || crypto.randomUUID();
      const expires = String(Math.floor(Date.now() / 1000) + 3600);
      await table('PutItem', { Item: { id: { S: id }, cart: { S: JSON.stringify(cart) }, expires: { N: expires } } });
      return 'session=' + id;
    },
  },
};
look('instance-id').then((who) => http.createServer({ maxHeaderSize: 65536 }, async (request, response) => {
  const [path, item] = request.url.split('?');
  const store = stores[path.split('/')[1]];
  if (!store) return response.end(JSON.stringify({ who, cart: [] }));
  try {
    const cookies = Object.fromEntries((request.headers.cookie || '').split('; ').map((pair) => pair.split('=')));
    const cart = await store.load(cookies);
    if (request.method === 'POST') {
      cart.push(item);
      const cookie = await store.save(cookies, cart);
      if (cookie) response.setHeader('set-cookie', cookie + '; Path=/');
    }
    response.end(JSON.stringify({ who, cart }));
  } catch (error) {
    response.writeHead(400).end(error.message);
  }
}).listen(80, '0.0.0.0'));
END
node /shop.js > /var/log/shop.log 2>&1 &
`;

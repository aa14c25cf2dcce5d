/** The shop's application, as user data: a cart in memory, in a cookie (signed and not), and in a table of sessions. Written for Node without any package. */
import { instanceClient } from './instance-client.ts';

/**
 * User data of an application server on port 80. `POST /KIND/cart?ITEM` adds to the cart, `GET /KIND/cart` shows it: `{"who": instance id, "cart": [...]}`. KIND is `memory` (by
 * the cookie `user`), `cookie` (signed), `open` (not signed), or `table` (DynamoDB, by the cookie `session`, for an hour). What is wrong with a cart is answered with 400.
 */
export const shopScript = `#!/bin/bash
cat > /shop.js <<'END'
${instanceClient}
const key = 'known to all servers of the shop';
const sign = (text) => crypto.createHmac('sha256', key).update(text).digest('hex');

async function table(operation, input) {
  const headers = { 'x-amz-target': 'DynamoDB_20120810.' + operation, 'content-type': 'application/x-amz-json-1.0' };
  return JSON.parse(await aws('dynamodb', headers, JSON.stringify({ TableName: 'sessions', ...input })));
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

/** The console's HTML. Plain pages and forms without scripts: what a browser shows is what the server wrote, and every text in it is escaped. */
import type { Image, Instance } from '@aws-sdk/client-ec2';
import type { Bucket, _Object as S3Object } from '@aws-sdk/client-s3';
import { regions } from '../base/regions.ts';

export const base = '/_pilvi/console';

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Text as it may stand in an element or a quoted attribute. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? '');
}

export const styleSheet = `body { font: 15px/1.5 system-ui, sans-serif; max-width: 70em; margin: 2em auto; padding: 0 1em }
table { border-collapse: collapse } td, th { border: 1px solid #ccc; padding: .3em .7em; text-align: left }
label { display: block; margin: .5em 0 } header form { display: inline-block; margin-right: 1em }
svg { display: block } svg line { stroke: #888 } svg text { font-size: 13px } svg .outcome { font-size: 11px; fill: #444 }
svg .series { stroke: #1c5fbf; fill: #1c5fbf } svg { background: #f7f7f7 }
svg rect { fill: #fff; stroke: #888 } .succeeded rect { fill: #e3f6e5; stroke: #1b7f2a } .failed rect, .timed-out rect { fill: #fdecee; stroke: #b00020 }
.caught-error rect { fill: #fff2dc; stroke: #b36b00 } .in-progress rect { fill: #e6f0fd; stroke: #1c5fbf } .aborted rect { fill: #eee }
.error { border-left: 4px solid #b00020; padding: .5em 1em; background: #fdecee }
`;

export function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>${escapeHtml(title)} - Pilvi</title><link rel="stylesheet" href="${base}/style.css"></head>
<body>
${body}
</body>
</html>
`;
}

/** The words of a failure, or nothing. */
export function failure(words: string | undefined): string {
  return words === undefined ? '' : `<p class="error" role="alert">${escapeHtml(words)}</p>`;
}

export function signInPage(words?: string): string {
  return page(
    'Sign in',
    `<h1>Sign in as IAM user</h1>${failure(words)}
<form method="post" action="${base}/sign-in">
<label>Account ID <input name="account" required pattern="[0-9]{12}" inputmode="numeric"></label>
<label>IAM user name <input name="user" required autocomplete="username"></label>
<label>Password <input name="password" type="password" required autocomplete="current-password"></label>
<button>Sign in</button>
</form>
<p><a href="${base}/root">Sign in as root user</a></p>`,
  );
}

export function rootSignInPage(words?: string): string {
  return page(
    'Root user sign in',
    `<h1>Sign in as root user</h1>${failure(words)}
<form method="post" action="${base}/root">
<label>Root user email address <input name="email" type="email" required autocomplete="username"></label>
<label>Password <input name="password" type="password" required autocomplete="current-password"></label>
<button>Sign in</button>
</form>
<p>The root user of account 123456789012 is root@123456789012.localhost; its password is the secret of its access keys.
<a href="${base}/">Sign in as IAM user</a></p>`,
  );
}

/** Root must register an MFA device: at once, or, while there is grace, later. */
export function demandMfaPage(daysLeft: number, words?: string): string {
  const later = `<form method="post" action="${base}/mfa/skip"><button>Skip for now</button> You have ${daysLeft} days left.</form>`;
  return page(
    'Register MFA',
    `<h1>You must register MFA</h1>${failure(words)}
<p>The root user signs in with multi-factor authentication.</p>
<form method="post" action="${base}/mfa/register">
<label>Device name <input name="name" required pattern="[A-Za-z0-9_+=,.@-]{1,64}" value="root-device"></label>
<button>Register an authenticator app</button>
</form>
${daysLeft > 0 ? later : ''}`,
  );
}

/** The new device's seed, to be put into an app, and the codes that prove it. `picture` is a PNG. */
export function registerMfaPage(serial: string, seed: string, picture: Uint8Array, words?: string): string {
  return page(
    'Register MFA',
    `<h1>Set up your authenticator app</h1>${failure(words)}
<p><img alt="QR code" src="data:image/png;base64,${Buffer.from(picture).toString('base64')}"></p>
<p>Secret key: <code>${escapeHtml(seed)}</code></p>
<form method="post" action="${base}/mfa/enable">
<input type="hidden" name="serial" value="${escapeHtml(serial)}">
<label>MFA code 1 <input name="first" required pattern="[0-9]{6}" inputmode="numeric" autocomplete="off"></label>
<label>MFA code 2 <input name="second" required pattern="[0-9]{6}" inputmode="numeric" autocomplete="off"></label>
<button>Add MFA</button>
</form>`,
  );
}

/** The second step: the code of one of the user's devices. */
export function codePage(serials: readonly string[], words?: string): string {
  const options = serials.map((serial) => `<option>${escapeHtml(serial)}</option>`).join('');
  return page(
    'Multi-factor authentication',
    `<h1>Multi-factor authentication</h1>${failure(words)}
<form method="post" action="${base}/mfa">
<label>Device <select name="serial">${options}</select></label>
<label>MFA code <input name="code" required pattern="[0-9]{6}" inputmode="numeric" autocomplete="one-time-code"></label>
<button>Submit</button>
</form>`,
  );
}

export function newPasswordPage(words?: string): string {
  return page(
    'Set a new password',
    `<h1>You must set a new password</h1>${failure(words)}
<form method="post" action="${base}/password">
<label>Old password <input name="old" type="password" required autocomplete="current-password"></label>
<label>New password <input name="new" type="password" required autocomplete="new-password"></label>
<button>Change password</button>
</form>`,
  );
}

export interface InstancesView {
  account: string;
  userName: string;
  region: string;
  /** Port under which names of instances lead inside. */
  port: number;
  instances: readonly Instance[];
  images: readonly Image[];
  /** What the API refused, in its own words. */
  failures: readonly string[];
}

/** Where another Region is chosen for the same page; `path` is the page's under the console. */
export function regionMenu(current: string, path: string): string {
  const options = regions.map(({ name, longName }) => {
    const selected = name === current ? ' selected' : '';
    return `<option value="${escapeHtml(name)}"${selected}>${escapeHtml(longName)} ${escapeHtml(name)}</option>`;
  });
  return `<form method="get" action="${base}${path}"><select name="region" aria-label="Region">${options.join('\n')}</select> <button>Go</button></form>`;
}

function instanceRow(instance: Instance, { region, port }: InstancesView): string {
  const { InstanceId: id = '', Tags: tags = [], State: state, InstanceType: type = '', PublicIpAddress: address } = instance;
  const name = tags.find(({ Key }) => Key === 'Name')?.Value ?? '';
  const cells = [id, name, state?.Name ?? '', type].map((text) => `<td>${escapeHtml(text)}</td>`);
  const host = `ec2-${address?.replaceAll('.', '-')}.${region}.compute.localhost:${port}`;
  const link = address === undefined ? '' : `<a href="http://${escapeHtml(host)}/" rel="noreferrer">${escapeHtml(address)}</a>`;
  const connect = `${base}/ec2/connect?region=${encodeURIComponent(region)}&amp;instance=${encodeURIComponent(id)}`;
  return `<tr>${cells.join('')}<td>${link}</td><td><a href="${connect}">Connect</a></td></tr>`;
}

/** Who is signed in, a way out, and the other pages: those that show one Region show that of this page, where it has one. */
export function signedInBar({ account, userName, region }: Viewer): string {
  const there = region === undefined ? '' : `?region=${encodeURIComponent(region)}`;
  return `<nav><a href="${base}/ec2/instances${there}">EC2</a> <a href="${base}/s3/buckets">S3</a> <a href="${base}/autoscaling/groups${there}">Auto Scaling</a> <a href="${base}/elb/classic${there}">Load balancers</a> <a href="${base}/cloudwatch/dashboards">CloudWatch</a> <a href="${base}/states/machines${there}">Step Functions</a> <a href="${base}/outbox">Outbox</a></nav>
<form method="post" action="${base}/sign-out">${escapeHtml(userName ?? '')} @ ${escapeHtml(account)} <button>Sign out</button></form>`;
}

interface Viewer {
  account: string;
  userName?: string | undefined;
  region?: string | undefined;
}

export function bucketsPage(viewer: Viewer, buckets: readonly Bucket[], failures: readonly string[]): string {
  const rows = buckets.map(({ Name: name = '', BucketRegion: region = '', CreationDate: created }) => {
    const link = `<a href="${base}/s3/bucket?name=${encodeURIComponent(name)}">${escapeHtml(name)}</a>`;
    const remove = `<form method="post" action="${base}/s3/delete"><input type="hidden" name="bucket" value="${escapeHtml(name)}"><button>Delete</button></form>`;
    return `<tr><td>${link}</td><td>${escapeHtml(region)}</td><td>${created?.toISOString() ?? ''}</td><td>${remove}</td></tr>`;
  });
  return page(
    'Buckets',
    `<header>${signedInBar(viewer)}</header>
<h1>Buckets</h1>${failures.map(failure).join('')}
<table><thead><tr><th>Name</th><th>AWS Region</th><th>Creation date</th><th></th></tr></thead>
<tbody>${rows.join('\n')}</tbody></table>`,
  );
}

export function bucketPage(viewer: Viewer, bucket: string, objects: readonly S3Object[], words?: string): string {
  const rows = objects.map(
    ({ Key: key = '', Size: size = 0, LastModified: at }) =>
      `<tr><td>${escapeHtml(key)}</td><td>${size}</td><td>${at?.toISOString() ?? ''}</td></tr>`,
  );
  return page(
    bucket,
    `<header>${signedInBar(viewer)}</header>
<h1>${escapeHtml(bucket)}</h1>${failure(words)}
<table><thead><tr><th>Name</th><th>Size</th><th>Last modified</th></tr></thead>
<tbody>${rows.join('\n')}</tbody></table>`,
  );
}

export function instancesPage(view: InstancesView): string {
  const images = view.images.map(
    ({ ImageId: id = '', Name: name = '' }) =>
      `<option value="${escapeHtml(id)}">${escapeHtml(name)} (${escapeHtml(id)})</option>`,
  );
  return page(
    'Instances',
    `<header>${regionMenu(view.region, '/ec2/instances')}
${signedInBar(view)}</header>
<h1>Instances</h1>${view.failures.map(failure).join('')}
<table><thead><tr><th>Instance ID</th><th>Name</th><th>State</th><th>Type</th><th>Public IPv4 address</th><th></th></tr></thead>
<tbody>${view.instances.map((instance) => instanceRow(instance, view)).join('\n')}</tbody></table>
<h2>Launch an instance</h2>
<p><a href="${base}/ec2/launch?region=${escapeHtml(view.region)}">Choose an image by where it comes from</a></p>
<form method="post" action="${base}/ec2/instances">
<input type="hidden" name="region" value="${escapeHtml(view.region)}">
<label>Image <select name="image">${images.join('\n')}</select></label>
<p>One instance of type t3.micro, with the default network.</p>
<button>Launch instance</button>
</form>`,
  );
}

/** Where images come from. */
const launchTabs = {
  'quick-start': 'Quick Start AMIs',
  own: 'My AMIs',
  marketplace: 'AWS Marketplace AMIs',
  community: 'Community AMIs',
} as const;
export type LaunchTab = keyof typeof launchTabs;

interface LaunchView extends Viewer {
  region: string;
  tab: LaunchTab;
  images: readonly Image[];
  failures: readonly string[];
}

function imageRow(image: Image, { region, tab }: LaunchView): string {
  const { ImageId: id = '', Name: name = '', OwnerId: owner = '', ProductCodes: [product] = [] } = image;
  const hidden = (fields: Record<string, string>): string =>
    Object.entries(fields)
      .map(([field, value]) => `<input type="hidden" name="${field}" value="${escapeHtml(value)}">`)
      .join('');
  const launch = `<form method="post" action="${base}/ec2/instances">${hidden({ region, image: id })}<button>Launch instance</button></form>`;
  const code = product?.ProductCodeId;
  const subscribe =
    code === undefined
      ? ''
      : `<form method="post" action="${base}/ec2/subscribe">${hidden({ region, tab, product: code })}<button>Subscribe</button></form>`;
  const cells = [id, name, owner].map((text) => `<td>${escapeHtml(text)}</td>`);
  return `<tr>${cells.join('')}<td>${launch}${subscribe}</td></tr>`;
}

export function launchPage(view: LaunchView): string {
  const tabs = Object.entries(launchTabs).map(([tab, title]) =>
    tab === view.tab
      ? `<strong>${title}</strong>`
      : `<a href="${base}/ec2/launch?region=${escapeHtml(view.region)}&amp;tab=${tab}">${title}</a>`,
  );
  return page(
    'Launch an instance',
    `<header>${signedInBar(view)}</header>
<h1>Launch an instance</h1>${view.failures.map(failure).join('')}
<nav>${tabs.join(' | ')}</nav>
<table><thead><tr><th>AMI ID</th><th>Name</th><th>Owner</th><th></th></tr></thead>
<tbody>${view.images.map((image) => imageRow(image, view)).join('\n')}</tbody></table>`,
  );
}

/** Asks whom to connect as. */
export function connectPage(view: Viewer & { region: string; instance: string }, words?: string): string {
  return page(
    'Connect to instance',
    `<header>${signedInBar(view)}</header>
<h1>Connect to instance</h1>${failure(words)}
<form method="post" action="${base}/ec2/connect">
<input type="hidden" name="region" value="${escapeHtml(view.region)}">
<label>Instance ID <input name="instance" required value="${escapeHtml(view.instance)}"></label>
<label>Username <input name="user" required value="ec2-user"></label>
<button>Connect</button>
</form>
<p>A key valid for 60 seconds is pushed to the instance; its security groups must allow port 22 from the internet.</p>`,
  );
}

/** A shell: what it has printed, and a line for it. */
export function shellPage(view: Viewer & { id: string; instance: string; transcript: string; open: boolean }): string {
  const input = `<form method="post" action="${base}/ec2/shell"><input type="hidden" name="shell" value="${escapeHtml(view.id)}">
<input name="line" size="100" autofocus autocomplete="off" aria-label="Command"> <button>Send</button></form>`;
  return page(
    view.instance,
    `<header>${signedInBar(view)}</header>
<h1>${escapeHtml(view.instance)}</h1>
<pre>${escapeHtml(view.transcript)}</pre>
${view.open ? input : '<p>The connection is closed.</p>'}`,
  );
}

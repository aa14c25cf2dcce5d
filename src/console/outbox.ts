/**
 * The outbox: e-mail and text messages that the cloud would have sent. Codes and invitations stand in them, so policies decide who may read: the root
 * user may, and whoever has the action `pilvi:ReadOutbox` (as administrators have by `*`).
 */
import type { Caller } from '../kernel/caller.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { letters } from '../kernel/outbox.ts';
import { base, escapeHtml, failure, page, signedInBar } from './pages.ts';
import { type Answer, requestContext, shown, wordsOf } from './visit.ts';

const region = 'us-east-1';
/** Letters that the page shows, the newest first. */
const lettersMax = 200;

type Letter = Awaited<ReturnType<typeof letters>>[number];

const kinds: Readonly<Record<Letter['kind'], string>> = { email: 'E-mail', sms: 'SMS', push: 'Push' };

function row({ at, kind, region: from, to, subject = '', body }: Letter): string {
  const cells = [new Date(at).toISOString(), from, kinds[kind], to, subject];
  return `<tr>${cells.map((text) => `<td>${escapeHtml(text)}</td>`).join('')}<td><pre>${escapeHtml(body)}</pre></td></tr>`;
}

/** The letters of the account of who is signed in. */
export async function showOutbox(kernel: Kernel, caller: Caller): Promise<Answer> {
  const view = (found: readonly Letter[], words?: string): string =>
    page(
      'Outbox',
      `<header>${signedInBar(caller)}</header>
<h1>Outbox</h1>${failure(words)}
<p>What would have been sent by e-mail or as a text message; nothing leaves this machine. Scripts read it at <code>${base.replace('/console', '')}/outbox</code>.</p>
<table><thead><tr><th>Time</th><th>Region</th><th>Kind</th><th>To</th><th>Subject</th><th>Text</th></tr></thead>
<tbody>${found.map(row).join('\n')}</tbody></table>`,
    );
  try {
    const ctx = requestContext(kernel, ['iam', 'ReadOutbox'], region, caller);
    await kernel.permit(ctx, { action: 'pilvi:ReadOutbox', resource: '*' });
  } catch (error) {
    return shown(view([], wordsOf(error)), 403);
  }
  const found = await letters(kernel.store, caller.account);
  return shown(view(found.toReversed().slice(0, lettersMax)));
}

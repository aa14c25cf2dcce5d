/** The console's launch page: images in four tabs by where they come from, and subscribing to products of the Marketplace. */
import type { DescribeImagesResult, Image } from '@aws-sdk/client-ec2';
import { findRegion } from '../base/regions.ts';
import type { Caller } from '../kernel/caller.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { defaultRegion } from './entry.ts';
import type { Market } from './market.ts';
import { base, launchPage, type LaunchTab } from './pages.ts';
import { type Answer, goTo, invoke, requestContext, shown, type Visit, wordsOf } from './visit.ts';

/** What each tab asks for; the community's images are public ones of other accounts. */
const asks: Readonly<Record<LaunchTab, object>> = {
  'quick-start': { Owners: ['amazon'] },
  own: { Owners: ['self'] },
  marketplace: { Owners: ['aws-marketplace'] },
  community: { ExecutableUsers: ['all'] },
};

const regionOf = (visit: Visit): string =>
  findRegion(visit.form.get('region') ?? visit.url.searchParams.get('region') ?? '')?.name ?? defaultRegion;

function tabOf(visit: Visit): LaunchTab {
  const asked = visit.form.get('tab') ?? visit.url.searchParams.get('tab') ?? '';
  return asked in asks ? (asked as LaunchTab) : 'quick-start';
}

/** The images of one tab. */
export async function showLaunch(kernel: Kernel, caller: Caller, visit: Visit, refused?: string): Promise<Answer> {
  const [tab, region] = [tabOf(visit), regionOf(visit)];
  const failures = refused === undefined ? [] : [refused];
  let images: Image[] = [];
  try {
    const found = (await invoke(kernel, ['ec2', 'DescribeImages'], region, caller, asks[tab])) as DescribeImagesResult;
    images = found.Images ?? [];
    if (tab === 'community')
      images = images.filter(({ ImageOwnerAlias, OwnerId }) => ImageOwnerAlias === undefined && OwnerId !== caller.account);
  } catch (error) {
    failures.push(wordsOf(error));
  }
  return shown(launchPage({ ...caller, region, tab, images, failures }), failures.length > 0 ? 403 : 200);
}

/** Accepts a product's terms for the account, which `aws-marketplace:Subscribe` must allow. */
export async function subscribe(kernel: Kernel, market: Market, caller: Caller, visit: Visit): Promise<Answer> {
  const ctx = requestContext(kernel, ['ec2', 'Subscribe'], regionOf(visit), caller);
  try {
    await ctx.permit({ action: 'aws-marketplace:Subscribe', resource: '*' });
    if (!(await market.subscribe(ctx, visit.form.get('product') ?? '')))
      return await showLaunch(kernel, caller, visit, 'There is no such product.');
  } catch (error) {
    return showLaunch(kernel, caller, visit, wordsOf(error));
  }
  return goTo(`${base}/ec2/launch?region=${regionOf(visit)}&tab=marketplace`);
}

import { expect, test } from 'vitest';
import { ReadCache, uncached } from './read-cache.ts';

test('values and absences are known until they are dropped', () => {
  const cache = new ReadCache();
  expect(cache.get('k')).toBe(uncached);
  cache.set('k', 'v', 10);
  cache.set('none', undefined, 0);
  expect([cache.get('k'), cache.get('none')]).toEqual(['v', undefined]);
  cache.delete('k');
  cache.delete('none');
  expect([cache.get('k'), cache.get('none')]).toEqual([uncached, uncached]);
});

test('what is used stays while what is not goes, and large values never come', () => {
  const cache = new ReadCache();
  cache.set('large', 'v', 5000);
  expect(cache.get('large')).toBe(uncached);
  cache.set('used', 'v', 10);
  cache.set('unused', 'v', 10);
  for (let key = 0; key < 40_000; key++) {
    cache.set(`k${key}`, 'v', 100);
    if (key % 100 === 0) expect(cache.get('used')).toBe('v');
  }
  expect(cache.get('unused')).toBe(uncached);
});

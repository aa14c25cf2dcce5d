import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { Vault } from './vault.ts';
import { ImageFolder, imageLayersMax, treeName } from './image.ts';
import { overlayOptionBytesMax, overlayOptions, probeOverlay } from './overlay.ts';

const parent = mkdtempSync(join(tmpdir(), 'pilvi-image-'));
afterAll(() => rmSync(parent, { recursive: true }));
const trees = ['/', '/usr', '/var/lib/dpkg'];

async function open(name: string): Promise<{ folder: string; images: ImageFolder }> {
  const folder = join(parent, name);
  const images = new ImageFolder(folder, new Vault(`${folder}/vault.ext4`, `${folder}/vault`));
  await images.open();
  return { folder, images };
}

describe('images and volumes', () => {
  test('a volume has a writable layer for each tree, and the same one again', async () => {
    const { folder, images } = await open('one');
    const volume = await images.ensureVolume('v', 'host', trees);
    expect(volume.get('/usr')).toEqual({
      frozen: [],
      upper: `${folder}/volumes/v/usr/upper`,
      work: `${folder}/volumes/v/usr/work`,
    });
    expect(await images.ensureVolume('v', 'other', trees)).toEqual(volume);
    await expect(images.ensureVolume('w', 'absent', trees)).rejects.toThrow('no image absent');
    await expect(images.ensureVolume('../w', 'host', trees)).rejects.toThrow('at most 64');
  });

  test('freezing copies the layer; later changes of the volume do not show', async () => {
    const { images } = await open('two');
    const upper = (await images.ensureVolume('v', 'host', trees)).get('/')?.upper as string;
    writeFileSync(`${upper}/file`, 'before');
    await images.freeze('v', 'image');
    writeFileSync(`${upper}/file`, 'after');
    await images.freeze('v', 'image');
    const [layer] = (await images.ensureVolume('w', 'image', trees)).get('/')?.frozen ?? [];
    expect(readFileSync(`${layer}/file`, 'utf8')).toBe('before');
    await expect(images.freeze('absent', 'x')).rejects.toThrow('no root volume absent');
  });

  test('layers go with the last that lies on them; a name may be used again meanwhile', async () => {
    const { folder, images } = await open('three');
    await images.ensureVolume('v', 'host', trees);
    await images.freeze('v', 'image');
    await images.ensureVolume('w', 'image', trees);
    await images.removeImage('image');
    await images.freeze('v', 'image');
    expect(readdirSync(`${folder}/layers`).sort()).toEqual(['image.1', 'image.2']);
    await images.removeVolume('w');
    expect(readdirSync(`${folder}/layers`)).toEqual(['image.2']);
    await images.removeImage('image');
    await images.removeVolume('v');
    await images.removeVolume('v');
    expect([...readdirSync(`${folder}/layers`), ...readdirSync(`${folder}/volumes`)]).toEqual([]);
  });

  test('what a crash left half made is cleared away', async () => {
    const { folder } = await open('four');
    mkdirSync(`${folder}/layers/image.1.partial/root`, { recursive: true });
    mkdirSync(`${folder}/volumes/half/root`, { recursive: true });
    writeFileSync(`${folder}/images/image.json.partial`, '{');
    await open('four');
    expect([...readdirSync(`${folder}/layers`), ...readdirSync(`${folder}/volumes`)]).toEqual([]);
  });

  test('the number of layers is bounded', async () => {
    const { images } = await open('five');
    await images.ensureVolume('v0', 'host', ['/']);
    for (let depth = 0; depth < imageLayersMax; depth++) {
      await images.freeze(`v${depth}`, `i${depth}`);
      await images.ensureVolume(`v${depth + 1}`, `i${depth}`, ['/']);
    }
    await expect(images.freeze(`v${imageLayersMax}`, 'more')).rejects.toThrow('the most there can be');
  });
});

test('names of trees', () => {
  expect(trees.map(treeName)).toEqual(['root', 'usr', 'var_lib_dpkg']);
});

describe('overlay options', () => {
  const spec = { lower: ['/a', '/b'], upper: '/u', work: '/w', userAttributes: false };

  test('layers are listed from the top', () => {
    expect(overlayOptions(spec)).toEqual(['lowerdir=/a:/b', 'upperdir=/u', 'workdir=/w']);
    expect(overlayOptions({ ...spec, userAttributes: true })[0]).toBe('userxattr');
  });

  test('a path that would be read as two is refused', async () => {
    for (const path of ['/a:b', '/a,b', '/a\\b', '/a"b']) {
      expect(() => overlayOptions({ ...spec, upper: path }), path).toThrow('overlay mounts cannot have');
      expect(await probeOverlay(path, false), path).toContain('overlay mounts cannot have');
    }
  });

  test('more than the kernel takes is refused', () => {
    const lower = Array.from({ length: 50 }, (_, index) => `/${'x'.repeat(80)}${index}`);
    expect(() => overlayOptions({ ...spec, lower })).toThrow(`the kernel takes ${overlayOptionBytesMax}`);
  });
});

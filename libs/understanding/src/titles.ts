import { STAGE_STEP_PREFIX } from '@taskmaster/contracts';

const ID_LENGTH_MAX = 44;
const FILLERS = new Set(['a', 'an', 'the', 'of', 'for', 'to', 'and', 'with', 'in', 'on', 'that', 'our', 'its']);

/** A step id from a title: lower case letters, digits and dashes, cut between words; empty when nothing is left. */
export function slugOf(title: string): string {
  const plain = title
    .normalize('NFKD')
    .replace(/[\u0300-\u036f]/g, '')
    .toLowerCase()
    .replace(/['’]/g, '');
  const words = (plain.match(/[a-z0-9]+/g) ?? []).filter((word) => !FILLERS.has(word));
  let slug = '';
  for (const word of words.slice(0, 12)) {
    const next = slug === '' ? word.slice(0, ID_LENGTH_MAX) : `${slug}-${word}`;
    if (next.length > ID_LENGTH_MAX) break;
    slug = next;
  }
  return slug.startsWith(STAGE_STEP_PREFIX) || slug === STAGE_STEP_PREFIX.slice(0, -1) ? `do-${slug}`.slice(0, ID_LENGTH_MAX) : slug;
}

/** Unique ids in the order of the titles; the same titles give the same ids. `fallback` names what has no letters we can write. */
export function idsFrom(titles: readonly string[], fallback: string): readonly string[] {
  const used = new Set<string>();
  return titles.map((title, index) => {
    const slug = slugOf(title);
    const wanted = slug === '' ? `${fallback}-${String(index + 1)}` : slug;
    let id = wanted;
    for (let nth = 2; used.has(id); nth += 1) id = `${wanted}-${String(nth)}`;
    used.add(id);
    return id;
  });
}

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** The fixtures under a folder and the rules that their first line expects to be broken; `nothing` stands for none. */
export function expectationsUnder(folder: string): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, readonly string[]>();
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.ts')) continue;
    const path = join(entry.parentPath, entry.name);
    const rules = /^\/\/ expect: (.+)$/m.exec(readFileSync(path, 'utf8'))?.[1];
    if (rules === undefined) throw new Error(`${path} does not say which rule it breaks`);
    found.set(path, rules === 'nothing' ? [] : rules.split(' ').sort());
  }
  return found;
}

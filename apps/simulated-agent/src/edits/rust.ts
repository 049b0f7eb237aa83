import { posix } from 'node:path';
import { commented, expectedOf, snake, type Language } from './language.js';
import type { Worktree } from './worktree.js';

/** Rust: an integration test in the crate's `tests` folder, which `cargo test` finds without a manifest entry. */
export const rust: Language = {
  name: 'rust',
  detect: (worktree) => worktree.files.includes('Cargo.toml'),
  filesOf: async (worktree, step, healthy) => {
    const crate = await crateFolder(worktree);
    const name = snake(step);
    return [
      { path: posix.join(crate, `simulated/${name}.rs`), content: moduleText(step) },
      { path: posix.join(crate, `tests/simulated_${name}.rs`), content: testText(step, name, healthy) },
    ];
  },
};

/** The top where it is a package itself, else the first member of the workspace. */
async function crateFolder(worktree: Worktree): Promise<string> {
  for (const manifest of worktree.files
    .filter((file) => posix.basename(file) === 'Cargo.toml')
    .sort((a, b) => a.split('/').length - b.split('/').length)) {
    if (/^\[package\]/m.test((await worktree.read(manifest)) ?? '')) return posix.dirname(manifest);
  }
  return '.';
}

const moduleText = (step: string): string => `${commented('//', step)}

pub const STEP: &str = "${step}";

pub fn fingerprint(text: &str) -> i64 {
    text.chars().fold(0, |sum, character| (sum * 31 + character as i64) % 65521)
}
`;

const testText = (step: string, name: string, healthy: boolean): string => `${commented('//', step)}

#[path = "../simulated/${name}.rs"]
mod step;

#[test]
fn answers_its_fingerprint() {
    assert_eq!(step::fingerprint(step::STEP), ${String(expectedOf(step, healthy))});
}
`;

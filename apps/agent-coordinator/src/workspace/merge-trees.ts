import { GitFault, type Git } from '../git.js';

/** Two lines of work as one tree, made without a checkout; or the files on which they disagree. */
export type MergedTree =
  { readonly kind: 'merged'; readonly tree: string } | { readonly kind: 'conflict'; readonly files: readonly string[] };

/** Needs git 2.38 or newer. */
export async function mergeTrees(git: Git, gitDir: string, ours: string, theirs: string): Promise<MergedTree> {
  const result = await git.try(['merge-tree', '--write-tree', '--name-only', '--no-messages', '-z', ours, theirs], { gitDir });
  const [tree = '', ...files] = result.stdout.split('\0').filter((part) => part !== '');
  if (result.exitCode === 0) return { kind: 'merged', tree: tree.trim() };
  if (result.exitCode === 1) return { kind: 'conflict', files: [...new Set(files)] };
  throw new GitFault('merge-tree', result.stderr.trim().slice(-600));
}
